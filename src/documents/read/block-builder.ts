import type { Block } from '../document.ts'
import type { Encoding } from './encoding.ts'
import { lineCharsMax, type Line } from './lines.ts'

/** Joins lines into blocks that are the file's own text, and so have exact places. */
export class BlockBuilder {
  readonly #kind: Block['kind']
  readonly #encoding: Encoding
  #lines: Line[] = []
  #chars = 0

  constructor(kind: Block['kind'], encoding: Encoding) {
    this.#kind = kind
    this.#encoding = encoding
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  /** Whether `line` can be added without making the block larger than the longest piece of a line. */
  fits(line: Line): boolean {
    return this.#chars + line.text.length < lineCharsMax || this.isEmpty
  }

  add(line: Line): void {
    this.#lines.push(line)
    this.#chars += line.text.length + 1
  }

  /** The block of what was added, without blank lines at its ends; `null` when there is nothing else. */
  take(): Block | null {
    const lines = this.#lines
    this.#lines = []
    this.#chars = 0
    let from = 0
    let to = lines.length
    while (from < to && lines[from]!.text.trim() === '') from++
    while (to > from && lines[to - 1]!.text.trim() === '') to--
    const first = lines[from]
    const last = lines[to - 1]
    if (!first || !last || from >= to) return null
    let text = ''
    for (let i = from; i < to; i++) text += lines[i]!.text + (lines[i]!.ended && i < to - 1 ? '\n' : '')
    const place =
      first.byteStart !== undefined && last.byteEnd !== undefined
        ? { byteStart: first.byteStart, byteEnd: last.byteEnd, verbatim: this.#encoding.width === 'utf-8' }
        : {}
    return { kind: this.#kind, text, headingPath: [], lineStart: first.number, lineEnd: last.number, ...place }
  }
}
