import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { detectEncoding } from '../read/encoding.ts'
import { readLines, type Line } from '../read/lines.ts'
import type { Source } from '../read/source.ts'
import { MarkdownReader } from './markdown-reader.ts'

/** A file up to this size is parsed as one. Of a larger one, links to definitions far away stay as written. */
const pieceCharsMin = 512 * 1024
/** Where no heading comes, a larger file is cut at a blank line, and in the end at any line. */
const pieceCharsMax = 2 * pieceCharsMin

/** Reads CommonMark with GitHub's tables: title from front matter or the first heading of level 1. Streams in pieces. */
export async function parseMarkdown(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  const pieces = splitPieces(readLines(source, encoding))
  const lines = (await pieces.next()).value ?? []
  const front = frontMatter(lines)
  const reader = new MarkdownReader(source.name, encoding.width === 'utf-8')
  const first = reader.read(lines.slice(front.lineCount))
  const title = front.title ?? first.find((block) => block.kind === 'heading' && block.level === 1)?.text
  return { encoding: encoding.label, ...(title !== undefined && { title }), blocks: all(first, pieces, reader) }
}

async function* all(first: Block[], pieces: AsyncIterable<Line[]>, reader: MarkdownReader): AsyncGenerator<Block> {
  yield* first
  for await (const lines of pieces) yield* reader.read(lines)
}

/** Cuts a file between sections, outside of fenced code. */
async function* splitPieces(batches: AsyncIterable<Line[]>): AsyncGenerator<Line[]> {
  let piece: Line[] = []
  let chars = 0
  let fence = ''
  let afterBlank = false
  for await (const lines of batches) {
    for (const line of lines) {
      const { text } = line
      const mayCut =
        fence === '' && (/^#{1,6}\s/.test(text) || (chars > pieceCharsMax && afterBlank && /^\S/.test(text)))
      if ((mayCut && chars > pieceCharsMin) || chars > 2 * pieceCharsMax) {
        yield piece
        piece = []
        chars = 0
        fence = ''
      }
      const mark = /^ {0,3}(`{3,}|~{3,})/.exec(text)?.[1]
      if (mark !== undefined) fence = fence === '' ? mark : mark.startsWith(fence) ? '' : fence
      afterBlank = text.trim() === ''
      piece.push(line)
      chars += text.length + 1
    }
  }
  if (piece.length > 0) yield piece
}

/** YAML between `---` or TOML between `+++` at the top: not text. Only its title is used. */
function frontMatter(lines: readonly Line[]): { lineCount: number; title?: string } {
  const mark = lines[0]?.text.trimEnd()
  if (mark !== '---' && mark !== '+++') return { lineCount: 0 }
  const end = lines
    .slice(0, 500)
    .findIndex(({ text }, i) => i > 0 && (text.trimEnd() === mark || (mark === '---' && text.trimEnd() === '...')))
  // A rule at the top, not front matter, unless something that looks like a setting follows.
  if (end < 0 || !lines.slice(1, end).every(({ text }) => /^\s|^$|^#|^-\s|^[\w"'.-]+\s*[:=]/.test(text)))
    return { lineCount: 0 }
  for (const { text } of lines.slice(1, end)) {
    const title = /^title\s*[:=]\s*(.+?)\s*$/i.exec(text)?.[1]
    if (title !== undefined) return { lineCount: end + 1, title: title.replace(/^(["'])(.*)\1$/, '$2') }
  }
  return { lineCount: end + 1 }
}
