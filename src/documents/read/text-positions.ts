import { utf8Length } from '../../base/bytes.ts'
import type { Encoding } from './encoding.ts'

/** Turns indexes into a decoded file into lines and bytes. Remembers where it was: cheap as long as indexes grow. */
export class TextPositions {
  readonly #text: string
  readonly #width: Encoding['width']
  #index = 0
  #line = 1
  #byte: number

  constructor(text: string, encoding: Encoding) {
    this.#text = text
    this.#width = encoding.width
    this.#byte = encoding.bomBytes
  }

  /** Line (from 1) and byte of an index; an index before the last one asked for gives the last one's. */
  at(at: number): { line: number; byte?: number } {
    const text = this.#text
    // Half of an astral character has no bytes of its own.
    const index = (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at
    if (index > this.#index) {
      for (let end = text.indexOf('\n', this.#index); end >= 0 && end < index; end = text.indexOf('\n', end + 1))
        this.#line++
      if (this.#width === 'utf-8') this.#byte += utf8Length(text.slice(this.#index, index))
      else this.#byte += (index - this.#index) * (this.#width ?? 0)
      this.#index = index
    }
    return this.#width === null ? { line: this.#line } : { line: this.#line, byte: this.#byte }
  }
}
