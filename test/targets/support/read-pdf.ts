import { inflateSync } from 'node:zlib'

/**
 * What a reader of a PDF finds: for each page its texts, as the fonts' own tables say what their glyphs mean, with the
 * place of each in points from the top left; and the fonts, with the bytes that are embedded of each.
 */
export function readPdf(bytes: Uint8Array) {
  const source = Buffer.from(bytes).toString('latin1')
  const objects = new Map(
    [...source.matchAll(/(\d+) 0 obj\n(.*?)\nendobj/gs)].map(([, id = '', body = '']) => [
      id,
      body,
    ]),
  )
  const object = (id: string | undefined) => objects.get(id ?? '') ?? ''
  const named = (body: string, name: string) =>
    object(new RegExp(`/${name} (\\d+) 0 R`).exec(body)?.[1])
  const catalog = named(source.slice(source.lastIndexOf('trailer')), 'Root')
  const info = named(source.slice(source.lastIndexOf('trailer')), 'Info')
  const [, kids = ''] = /\/Kids \[(.*?)\]/s.exec(named(catalog, 'Pages')) ?? []
  const fonts = new Map<string, Map<string, string>>()
  const pages = idsIn(kids).map((id) => {
    const page = object(id)
    const inPage = [...named(page, 'Resources').matchAll(/\/(F\d+) (\d+) 0 R/g)]
    for (const [, name = '', font] of inPage) {
      if (fonts.has(name)) continue
      const table = named(object(font), 'ToUnicode')
      fonts.set(name, table === '' ? latin : readMeanings(unpack(table)))
    }
    return readTexts(unpack(named(page, 'Contents')), fonts)
  })
  const descriptors = [...objects.values()].filter((body) => body.includes('/Type /FontDescriptor'))
  return {
    pages,
    /** The texts of all pages, one a line. */
    text: pages.flatMap((texts) => texts.map(({ text }) => text)).join('\n'),
    fonts: descriptors.map((body) => ({
      name: /\/FontName \/(\S+)/.exec(body)?.[1] ?? '',
      embeddedBytes: unpack(named(body, 'FontFile2')).length,
    })),
    info: (name: string) => /\((.*)\)/.exec(named(info, name))?.[1],
  }
}

function idsIn(list: string): string[] {
  return [...list.matchAll(/(\d+) 0 R/g)].map(([, id = '']) => id)
}

function unpack(body: string): string {
  const [, packed = ''] = /stream\n(.*)\nendstream/s.exec(body) ?? []
  return inflateSync(Buffer.from(packed, 'latin1')).toString('latin1')
}

/** Of a font that every reader has: a byte is its character. */
const latin = new Map(
  Array.from({ length: 95 }, (_, n) => [(n + 32).toString(16), String.fromCodePoint(n + 32)]),
)

/** Glyph to text, of a ToUnicode table as this library writes it. */
function readMeanings(table: string): Map<string, string> {
  const meanings = new Map<string, string>()
  for (const [, first = '', list = ''] of table.matchAll(/<(\w+)> <\w+> \[(.*?)\]/gs)) {
    for (const [n, [, units = '']] of [...list.matchAll(/<([\w ]*)>/g)].entries()) {
      const glyph = (Number.parseInt(first, 16) + n).toString(16).padStart(4, '0')
      meanings.set(
        glyph,
        Buffer.from(units.replaceAll(' ', ''), 'hex').swap16().toString('utf16le'),
      )
    }
  }
  return meanings
}

const shown = /1 0 0 1 (\S+) (\S+) Tm\n\/(F\d+) (\S+) Tf\n(.*?)\nET/gs

function readTexts(content: string, fonts: Map<string, Map<string, string>>) {
  return [...content.matchAll(shown)].map(([, x, y, font = '', size, showing = '']) => ({
    text: [...showing.matchAll(/<(\w+)>/g)]
      .flatMap(([, glyphs = '']) => glyphs.match(fonts.get(font) === latin ? /../g : /.{4}/g) ?? [])
      .map((glyph) => fonts.get(font)?.get(glyph) ?? '�?')
      .join(''),
    x: Number(x),
    fromTop: 841.89 - Number(y),
    size: Number(size),
  }))
}
