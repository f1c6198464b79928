import { messageOf, WindlassError } from '../../base/errors.ts'
import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { detectEncoding } from '../read/encoding.ts'
import { readLines, type Line } from '../read/lines.ts'
import type { Source } from '../read/source.ts'
import { recordText } from './record-text.ts'

/** A record is held whole while it is parsed. */
const recordCharsMax = 16 * 1024 * 1024

/**
 * Reads JSON lines: one record a line. Streams; blank lines are passed over.
 * @throws {WindlassError} while iterating: `invalid`, naming the line that is not JSON; `too-large` for one over 16 Mi characters.
 */
export async function parseJsonl(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  return { encoding: encoding.label, blocks: records(readLines(source, encoding), source.name) }
}

async function* records(batches: AsyncIterable<Line[]>, name: string): AsyncGenerator<Block> {
  let pieces: Line[] = []
  let chars = 0
  for await (const lines of batches) {
    for (const line of lines) {
      pieces.push(line)
      chars += line.text.length
      if (chars > recordCharsMax) {
        throw new WindlassError(
          'too-large',
          `line ${line.number} of ${name} has over ${recordCharsMax} characters, a record may have that many: split it`,
          { path: name },
        )
      }
      if (!line.ended) continue
      const block = recordBlock(pieces, name)
      pieces = []
      chars = 0
      if (block) yield block
    }
  }
  const block = recordBlock(pieces, name)
  if (block) yield block
}

function recordBlock(pieces: readonly Line[], name: string): Block | null {
  const [first] = pieces
  const json = pieces.length === 1 ? first!.text : pieces.map((piece) => piece.text).join('')
  if (!first || json.trim() === '') return null
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new WindlassError('invalid', `line ${first.number} of ${name} is not JSON: ${messageOf(cause)}`, {
      path: name,
      cause,
    })
  }
  const text = recordText(value, name)
  const byteEnd = pieces[pieces.length - 1]!.byteEnd
  const bytes = first.byteStart !== undefined && byteEnd !== undefined ? { byteStart: first.byteStart, byteEnd } : {}
  return text === ''
    ? null
    : { kind: 'record', text, headingPath: [], lineStart: first.number, lineEnd: first.number, ...bytes }
}
