/**
 * Text for a terminal. What a partner answered may hold escape sequences that rewrite the screen, or characters
 * that turn the writing direction: control and format characters become `�`, line breaks too.
 */
export function printable(text: string): string {
  return text.replaceAll(hidden, '\uFFFD')
}

/** The same value as JSON, with these characters escaped: JSON itself leaves most of them as they are. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(hidden, escape)
}

const hidden = /[\p{Cc}\p{Cf}]/gu

function escape(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
