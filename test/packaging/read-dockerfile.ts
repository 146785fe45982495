import { readProjectFile } from './read-project-file.ts'

export type Instruction = { name: string; value: string }

/** The stages of the Dockerfile: the instructions from each FROM on, continued lines joined. */
export function readDockerfile(): Instruction[][] {
  const lines = readProjectFile('Dockerfile')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: Instruction[][] = []
  for (const line of lines) {
    const [name = '', ...rest] = line.split(' ')
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, value: rest.join(' ').trim() })
  }
  return stages
}

/** What the last stage copies from the checkout: paths in it, and the same paths in the image. */
export function copiedPaths(): string[] {
  return (readDockerfile().at(-1) ?? [])
    .filter(({ name, value }) => name === 'COPY' && !value.startsWith('--from'))
    .flatMap(({ value }) => value.split(' ').slice(0, -1))
}
