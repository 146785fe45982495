import { createRequire } from 'node:module'
import { buffer } from 'node:stream/consumers'

import { describeReceipt } from './describe-receipt.ts'
import { drawReceipt } from './draw-receipt.ts'
import { openSheet } from './open-sheet.ts'
import { plainFont } from './plain-font.ts'
import type { ReceiptRequest } from './receipt-request.ts'

export type RenderedReceipt = { bytes: Uint8Array<ArrayBuffer>; pages: number }

/**
 * A receipt as PDF, the same bytes for the same request. The fonts are parsed anew for each: a parsed one remembers
 * what it was used for, which would show in the next.
 */
export async function renderReceipt(request: ReceiptRequest): Promise<RenderedReceipt> {
  const { regular, bold, covers } = loadFonts()
  const view = describeReceipt(request, covers)
  const sheet = openSheet(
    { regular, bold },
    {
      title: `${view.title} ${view.number}`,
      author: view.seller.name,
      language: view.language,
      createdAt: new Date(request.order.receivedAt),
    },
  )
  const written = buffer(sheet.doc)
  drawReceipt(sheet, view)
  sheet.doc.end()
  return { bytes: new Uint8Array(await written), pages: sheet.pages }
}

type Fonts = { regular: Buffer; bold: Buffer; covers: (codePoint: number) => boolean }

let fonts: Fonts | undefined

function loadFonts(): Fonts {
  fonts ??= readFonts()
  return fonts
}

function readFonts(): Fonts {
  // By their place: what the package exports itself is for bundlers of mobile applications.
  const require = createRequire(import.meta.url)
  const regular = plainFont(
    require.resolve('@expo-google-fonts/noto-sans/400Regular/NotoSans_400Regular.ttf'),
  )
  const bold = plainFont(
    require.resolve('@expo-google-fonts/noto-sans/700Bold/NotoSans_700Bold.ttf'),
  )
  return {
    regular: regular.bytes,
    bold: bold.bytes,
    covers: (codePoint) => regular.covers(codePoint) && bold.covers(codePoint),
  }
}
