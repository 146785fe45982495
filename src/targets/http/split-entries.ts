/** A list, or one string with spaces or commas between the entries: what an environment variable can hold. */
export function splitEntries(entries: string | readonly string[] = []): string[] {
  return [entries]
    .flat()
    .flatMap((text) => text.split(/[\s,]+/))
    .filter((entry) => entry !== '')
}
