import { analyse } from 'chardet'
import { WindlassError } from '../../base/errors.ts'
import type { Source } from './source.ts'

/** How a file's bytes become text. */
export interface Encoding {
  /** Of the WHATWG Encoding Standard, lower case. */
  readonly label: string
  /** Size of the byte order mark, which is not text. */
  readonly bomBytes: number
  /** Bytes of a UTF-16 unit; `'utf-8'` counts them; `null` when the encoding does not tell (Shift JIS and its like). */
  readonly width: 'utf-8' | 1 | 2 | null
}

const utf8: Encoding = { label: 'utf-8', bomBytes: 0, width: 'utf-8' }
const singleByte = /^(windows-|iso-8859-|koi8-|ibm866|macintosh|x-mac-cyrillic)/
/** Bytes that the statistical detector sees: more does not change its mind, and it takes 20 ms a MiB. */
const sampleBytes = 64 * 1024

/**
 * Finds the encoding of a text file: byte order mark, UTF-8 by its strict form, UTF-16 by its zero bytes, then what the file
 * or its content type declares, then letter statistics (chardet), else windows-1252.
 * @param declared What the file says of itself, such as an HTML `meta charset`.
 * @throws {WindlassError} `invalid` when an asked-for label does not exist; `unsupported` for UTF-32.
 */
export function detectEncoding(source: Source, options: { encoding?: string } = {}, declared?: string): Encoding {
  const { head } = source
  const marked = byteOrderMark(head)
  if (options.encoding !== undefined) {
    const encoding = byLabel(options.encoding)
    if (!encoding)
      throw new WindlassError(
        'invalid',
        `unknown encoding ${JSON.stringify(options.encoding)}, expected a label such as utf-8 or windows-1251`,
        { path: 'encoding' },
      )
    return { ...encoding, bomBytes: marked?.label === encoding.label ? marked.bomBytes : 0 }
  }
  if (marked?.label.startsWith('utf-32')) {
    throw new WindlassError(
      'unsupported',
      `${source.name} is encoded in ${marked.label}, which we do not read: convert it to utf-8`,
      { path: source.name },
    )
  }
  if (marked) return marked
  const wide = utf16WithoutMark(head)
  if (wide) return wide
  if (!hasEscapes(head) && isUtf8(head, source.complete)) return utf8
  const charset = declared ?? /charset="?([\w-]+)/i.exec(source.contentType ?? '')?.[1]
  const byDeclaration = charset === undefined ? null : byLabel(charset)
  // A declared UTF-8 has just been disproved.
  if (byDeclaration && byDeclaration.label !== 'utf-8') return byDeclaration
  return byStatistics(head) ?? byLabel('windows-1252')!
}

/** Whether `bytes` are UTF-8. A sequence that the end cuts is forgiven unless `complete`. */
export function isUtf8(bytes: Uint8Array, complete = true): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !complete })
    return true
  } catch {
    return false
  }
}

/** All of `bytes` as text, with U+FFFD where they break the encoding's rules. */
export function decodeAll(bytes: Uint8Array, encoding: Encoding): string {
  // As a stream, because Node 20 decodes windows-1252 in one piece as if it were ISO 8859-1, and drops a leading 0xff.
  const decoder = new TextDecoder(encoding.label, { ignoreBOM: true })
  return decoder.decode(bytes.subarray(encoding.bomBytes), { stream: true }) + decoder.decode()
}

function byLabel(label: string): Encoding | null {
  try {
    const name = new TextDecoder(label).encoding
    const width = name === 'utf-8' ? 'utf-8' : name.startsWith('utf-16') ? 2 : singleByte.test(name) ? 1 : null
    return { label: name, bomBytes: 0, width }
  } catch {
    return null
  }
}

function byteOrderMark(head: Uint8Array): Encoding | null {
  const [a, b, c, d] = head
  if (a === 0xef && b === 0xbb && c === 0xbf) return { ...utf8, bomBytes: 3 }
  if (a === 0xff && b === 0xfe)
    return c === 0 && d === 0
      ? { label: 'utf-32le', bomBytes: 4, width: null }
      : { label: 'utf-16le', bomBytes: 2, width: 2 }
  if (a === 0xfe && b === 0xff) return { label: 'utf-16be', bomBytes: 2, width: 2 }
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return { label: 'utf-32be', bomBytes: 4, width: null }
  return null
}

/** UTF-16 of mostly Latin text has a zero in most of its high bytes and hardly one in its low bytes. */
function utf16WithoutMark(head: Uint8Array): Encoding | null {
  const pairs = Math.min(head.length, 4096) >> 1
  if (pairs < 2) return null
  let evenZeros = 0
  let oddZeros = 0
  for (let i = 0; i < pairs; i++) {
    if (head[2 * i] === 0) evenZeros++
    if (head[2 * i + 1] === 0) oddZeros++
  }
  const most = 0.5 * pairs
  const few = 0.05 * pairs
  if (oddZeros > most && evenZeros <= few) return { label: 'utf-16le', bomBytes: 0, width: 2 }
  if (evenZeros > most && oddZeros <= few) return { label: 'utf-16be', bomBytes: 0, width: 2 }
  return null
}

/** Escape sequences of ISO 2022: `ESC $` or `ESC (`. Such a file is also valid ASCII. */
function hasEscapes(head: Uint8Array): boolean {
  for (let i = head.indexOf(0x1b); i >= 0; i = head.indexOf(0x1b, i + 1)) {
    const next = head[i + 1]
    if (next === 0x24 || next === 0x28) return true
  }
  return false
}

function byStatistics(head: Uint8Array): Encoding | null {
  const firstHigh = head.findIndex((byte) => byte >= 0x80)
  const start = Math.max(0, firstHigh - 1024)
  for (const { name } of analyse(head.subarray(start, start + sampleBytes))) {
    const encoding = byLabel(name)
    // Zero bytes have already ruled UTF-16 in or out, and strict reading UTF-8.
    if (encoding && encoding.label !== 'utf-8' && encoding.width !== 2) return encoding
  }
  return null
}
