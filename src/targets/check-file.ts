import { maxFileBytes, type MadeFile } from './outcome.ts'

/** A file that a function of the configuration file made, or why it cannot be kept. */
export function checkFile(value: unknown): MadeFile | Error {
  if (typeof value !== 'object' || value === null)
    return new Error('is no { name, contentType, bytes }')
  const { name, contentType, bytes } = value as Partial<Record<keyof MadeFile, unknown>>
  // It becomes part of headers.
  if (typeof name !== 'string' || !/^[^\p{Cc}\p{Cs}"\\/]{1,100}$/u.test(name)) {
    return new Error('needs a name of 1 to 100 characters, without slashes and quotes')
  }
  if (typeof contentType !== 'string' || !/^[\w.+-]{1,50}\/[\w.+-]{1,49}$/.test(contentType)) {
    return new Error('needs a contentType like application/pdf')
  }
  if (!(bytes instanceof Uint8Array)) return new Error('needs bytes, a Uint8Array')
  if (bytes.length > maxFileBytes) {
    return new Error(`has ${bytes.length} bytes, more than ${maxFileBytes}`)
  }
  return { name, contentType, bytes }
}
