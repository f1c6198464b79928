import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { decodeAll, detectEncoding } from '../read/encoding.ts'
import type { Source } from '../read/source.ts'
import { TextPositions } from '../read/text-positions.ts'
import { HtmlReader } from './html-reader.ts'

/** Characters read between two looks at what came of them. */
const sliceChars = 64 * 1024

/** Reads a web page: title, language, headings, paragraphs, lists, tables and code; without scripts, navigation and forms. */
export async function parseHtml(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const bytes = await source.readAll()
  const encoding = detectEncoding(source, options, declaredCharset(source.head))
  const html = decodeAll(bytes, encoding)
  const positions = new TextPositions(html, encoding)
  const reader = new HtmlReader(source.name, (start, end) => locate(positions, start, end))
  const slices = readSlices(reader, html)
  // The title comes before the first block; an empty page ends here.
  const first = slices.next().value ?? []
  return {
    encoding: encoding.label,
    ...(reader.title !== undefined && { title: reader.title }),
    ...(reader.language !== undefined && { language: reader.language }),
    blocks: all(first, slices),
  }
}

function* readSlices(reader: HtmlReader, html: string): Generator<Block[], undefined> {
  for (let start = 0; start < html.length; start += sliceChars) {
    const blocks = reader.write(html.slice(start, start + sliceChars))
    if (blocks.length > 0) yield blocks
  }
  yield reader.end()
}

async function* all(first: Block[], rest: Iterable<Block[]>): AsyncGenerator<Block> {
  yield* first
  for (const blocks of rest) yield* blocks
}

function locate(positions: TextPositions, start: number, end: number): Partial<Block> {
  const from = positions.at(start)
  const to = positions.at(Math.max(start, end - 1))
  const after = positions.at(end)
  return {
    lineStart: from.line,
    lineEnd: to.line,
    ...(from.byte !== undefined && after.byte !== undefined && { byteStart: from.byte, byteEnd: after.byte }),
  }
}

/** `<meta charset="…">`, `<meta http-equiv … content="…; charset=…">` or `<?xml … encoding="…"?>`, in the first 4 KiB. */
function declaredCharset(head: Uint8Array): string | undefined {
  const begins = String.fromCharCode(...head.subarray(0, 4096))
  const found =
    /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(begins) ?? /<\?xml[^>]+encoding\s*=\s*["']([\w-]+)/i.exec(begins)
  return found?.[1]
}
