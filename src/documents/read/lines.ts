import { utf8Length } from '../../base/bytes.ts'
import type { Encoding } from './encoding.ts'
import type { Source } from './source.ts'

/** A line, or a piece of one that is too long to hold. */
export interface Line {
  /** Without its `\n` or `\r\n`. */
  readonly text: string
  /** From 1. Pieces of one line share it. */
  readonly number: number
  /** Half-open range of `text` in the file; absent where the encoding does not tell. */
  readonly byteStart?: number
  readonly byteEnd?: number
  /** False for a piece whose line goes on in the next one. */
  readonly ended: boolean
}

/** A longer line comes in pieces, cut at white space if there is some, never inside a character. */
export const lineCharsMax = 32 * 1024
/** Bytes decoded at a time, whatever the size of the parts that arrive. */
const pieceBytes = 64 * 1024

/** Yields a file's lines in batches, in bounded memory. */
export async function* readLines(source: Source, encoding: Encoding): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(encoding)
  for await (const part of source.stream()) {
    for (let start = 0; start < part.length; start += pieceBytes) {
      const lines = splitter.push(part.subarray(start, start + pieceBytes))
      if (lines.length > 0) yield lines
    }
  }
  const lines = splitter.end()
  if (lines.length > 0) yield lines
}

class LineSplitter {
  readonly #decoder: PieceDecoder
  readonly #width: Encoding['width']
  #buffer = ''
  #number = 1
  #byte: number
  #skip: number

  constructor(encoding: Encoding) {
    this.#decoder = new PieceDecoder(encoding.label)
    this.#width = encoding.width
    this.#byte = encoding.bomBytes
    this.#skip = encoding.bomBytes
  }

  push(bytes: Uint8Array): Line[] {
    const text = this.#decoder.push(this.#skip > 0 ? bytes.subarray(this.#skip) : bytes)
    this.#skip = Math.max(0, this.#skip - bytes.length)
    return this.#split(text)
  }

  end(): Line[] {
    const lines = this.#split(this.#decoder.end())
    if (this.#buffer !== '') lines.push(this.#line(this.#buffer, true, 0))
    this.#buffer = ''
    return lines
  }

  #split(text: string): Line[] {
    const lines: Line[] = []
    const buffer = this.#buffer + text
    let start = 0
    for (let end = buffer.indexOf('\n'); end >= 0; end = buffer.indexOf('\n', start)) {
      start = this.#cutPieces(buffer, start, end, lines)
      const carriageReturn = end > start && buffer.charCodeAt(end - 1) === 0x0d ? 1 : 0
      lines.push(this.#line(buffer.slice(start, end - carriageReturn), true, carriageReturn + 1))
      start = end + 1
    }
    start = this.#cutPieces(buffer, start, buffer.length, lines)
    this.#buffer = buffer.slice(start)
    return lines
  }

  /** Takes pieces off a line that is too long. @returns where the rest starts. */
  #cutPieces(buffer: string, start: number, end: number, lines: Line[]): number {
    while (end - start > lineCharsMax) {
      const length = cutAt(buffer.slice(start, start + lineCharsMax + 1), lineCharsMax)
      lines.push(this.#line(buffer.slice(start, start + length), false, 0))
      start += length
    }
    return start
  }

  #line(text: string, ended: boolean, terminatorLength: number): Line {
    const number = this.#number
    if (ended) this.#number++
    if (this.#width === null || !this.#decoder.exact) return { text, number, ended }
    const width = this.#width === 'utf-8' ? 1 : this.#width
    const byteStart = this.#byte
    const byteEnd = byteStart + (this.#width === 'utf-8' ? utf8Length(text) : text.length * width)
    this.#byte = byteEnd + terminatorLength * width
    return { text, number, ended, byteStart, byteEnd }
  }
}

/** Decodes bytes that arrive in pieces. UTF-8 is checked; from the first broken byte on, `exact` is false. */
class PieceDecoder {
  readonly #strict: TextDecoder | null
  readonly #lenient: TextDecoder
  #held = new Uint8Array(0)
  exact = true

  constructor(label: string) {
    this.#strict = label === 'utf-8' ? new TextDecoder(label, { fatal: true, ignoreBOM: true }) : null
    this.#lenient = new TextDecoder(label, { ignoreBOM: true })
  }

  push(bytes: Uint8Array): string {
    if (!this.#strict) return this.#lenient.decode(bytes, { stream: true })
    const joined = new Uint8Array(this.#held.length + bytes.length)
    joined.set(this.#held)
    joined.set(bytes, this.#held.length)
    const whole = joined.length - cutSequenceLength(joined)
    this.#held = joined.slice(whole)
    return this.#decode(joined.subarray(0, whole))
  }

  end(): string {
    return this.#strict ? this.#decode(this.#held) : this.#lenient.decode()
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#strict!.decode(bytes)
    } catch {
      this.exact = false
      return this.#lenient.decode(bytes)
    }
  }
}

/** How many bytes at the end begin a UTF-8 sequence that is not finished: 0 to 3. */
function cutSequenceLength(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0
  }
  return 0
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })
const whitespace = /\s/
const extend = /^[\p{M}\u200d]/u

/** No real character is longer, in UTF-16 units; what is, is cut between code points. */
const characterUnitsMax = 256

/**
 * Where to cut `text` so that the first part has at most `charsMax` UTF-16 units: after the last white space in its last
 * quarter, else between two characters as people see them (UAX 29). Never 0; a first character that is longer stays whole.
 */
export function cutAt(text: string, charsMax: number): number {
  if (text.length <= charsMax) return text.length
  for (let i = charsMax; i > charsMax * 0.75; i--) {
    // A combining mark on a space belongs to it.
    if (whitespace.test(text.charAt(i - 1)) && !extend.test(text.slice(i, i + 2))) return i
  }
  const near = Math.max(0, charsMax - characterUnitsMax)
  const from = isLowSurrogate(text, near) ? near + 1 : near
  const window = text.slice(from, charsMax + characterUnitsMax)
  const character = graphemes.segment(window).containing(charsMax - from)!
  if (character.index > 0) return from + character.index
  if (from === 0 && character.segment.length < window.length) return character.segment.length
  if (from + window.length === text.length && character.segment.length === window.length && from === 0)
    return text.length
  return isLowSurrogate(text, charsMax) ? charsMax + 1 : charsMax
}

function isLowSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800
}
