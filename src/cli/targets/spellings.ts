/** A regular expression for a text however it is spelled: as it is, in a URL or a form, in JSON, XML or base64. */
export function spellings(text: string): string {
  return [Array.from(text, spellCharacter).join(''), ...inBase64(text)].join('|')
}

function spellCharacter(character: string): string {
  const codes = Array.from({ length: character.length }, (_, n) => character.charCodeAt(n))
  const json = codes.map((code) => String.raw`\\+u${eitherCase(hex(code, 4))}`).join('')
  const url = Array.from(Buffer.from(character), (byte) => `%${eitherCase(hex(byte, 2))}`).join('')
  return `(?:${[RegExp.escape(character), url, json, ...(others[character] ?? [])].join('|')})`
}

// Backslashes double each time that JSON is put into JSON.
const others: Record<string, string[]> = {
  ' ': [String.raw`\+`],
  '"': [String.raw`\\+"`, '&quot;', '&#34;'],
  '\\': [String.raw`\\+`],
  '/': [String.raw`\\+/`],
  '\n': [String.raw`\\+n`],
  '\r': [String.raw`\\+r`],
  '\t': [String.raw`\\+t`],
  '&': ['&amp;', '&#38;'],
  '<': ['&lt;', '&#60;'],
  '>': ['&gt;', '&#62;'],
  "'": ['&apos;', '&#39;', '&#x27;'],
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

function eitherCase(digits: string): string {
  return digits.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}

/** What stands in base64 for a text wherever it begins, as in `user:password`, without the ends that others share. */
function inBase64(text: string): string[] {
  const length = Buffer.byteLength(text)
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]).toString('base64')
    const end = Math.floor(((before + length) * 8) / 6)
    const own = encoded.slice(Math.ceil((before * 8) / 6), end)
    return own.replaceAll(/[+/]/g, (sign) =>
      sign === '+' ? '(?:[+-]|%2[Bb])' : String.raw`(?:[/_]|\\/|%2[Ff])`,
    )
  })
}
