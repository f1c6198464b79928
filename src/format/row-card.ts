import { fromUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import type { Stamp } from './record.ts'

/** Where a blob lies in its section, and its CRC-32C. */
export interface BlobPlace {
  readonly start: number
  readonly size: number
  readonly checksum: number
}

/** All that an answer needs of a row but its content: a query that found it reads no other index of the segment. */
export interface RowCard {
  readonly row: number
  readonly key: string
  readonly changed: Stamp
  /** CRC-32C of its vector's bytes. */
  readonly vectorChecksum: number
  readonly metadata: BlobPlace
  /** Null: the row has no text. */
  readonly document: BlobPlace | null
}

/** A card before it is written. */
export type CardFacts = Omit<RowCard, 'key'> & { readonly keyBytes: Uint8Array }

const cardBytes = 48
const noDocument = 0xffffffff

/**
 * Cards of some rows: 48 bytes each, then their keys one after the other. A card: uint32 row, vector's CRC-32C, end of the key among the keys;
 * uint32 ordinal and float64 sequence of the last change; uint32 start, size, CRC-32C of the metadata, then of the text (size 0xffffffff: none).
 */
export function encodeCards(cards: readonly CardFacts[]): Uint8Array<ArrayBuffer> {
  const keysAt = cards.length * cardBytes
  const bytes = new Uint8Array(keysAt + cards.reduce((sum, { keyBytes }) => sum + keyBytes.length, 0))
  const view = new DataView(bytes.buffer)
  let keyEnd = 0
  cards.forEach(({ row, vectorChecksum, keyBytes, changed, metadata, document }, i) => {
    const at = i * cardBytes
    bytes.set(keyBytes, keysAt + keyEnd)
    keyEnd += keyBytes.length
    const words = [row, vectorChecksum, keyEnd, changed.ordinal]
    words.forEach((word, j) => view.setUint32(at + 4 * j, word, true))
    view.setFloat64(at + 16, changed.seq, true)
    const text = document ?? { start: 0, size: noDocument, checksum: 0 }
    const places = [metadata.start, metadata.size, metadata.checksum, text.start, text.size, text.checksum]
    places.forEach((word, j) => view.setUint32(at + 24 + 4 * j, word, true))
  })
  return bytes
}

/** Cards of `count` rows, open. Reads as little as is asked for. */
export class CardBlock {
  readonly count: number
  readonly sizeBytes: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #key: string

  /** @param key The object the bytes come from. @throws {WindlassError} `corrupt` for wrong sizes. */
  constructor(bytes: Uint8Array, count: number, key: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#key = key
    this.count = count
    this.sizeBytes = bytes.length
    const size = count * cardBytes
    const end = count === 0 ? 0 : bytes.length < size ? -1 : this.#view.getUint32((count - 1) * cardBytes + 8, true)
    if (bytes.length !== size + end) throw this.#damaged(`${count} cards have ${bytes.length} bytes, expected ${size + Math.max(0, end)}`)
  }

  /** The row of the card at a place. */
  rowAt(place: number): number {
    return this.#view.getUint32(place * cardBytes, true)
  }

  at(place: number): RowCard {
    const at = place * cardBytes
    const word = (i: number) => this.#view.getUint32(at + 4 * i, true)
    const keysAt = this.count * cardBytes
    const keyStart = place === 0 ? 0 : this.#view.getUint32(at - cardBytes + 8, true)
    const keyEnd = word(2)
    if (keyEnd < keyStart || keysAt + keyEnd > this.#bytes.length) throw this.#damaged(`the key of card ${place} ends at ${keyEnd}, before ${keyStart} or beyond the end`)
    return {
      row: word(0),
      key: fromUtf8(this.#bytes.subarray(keysAt + keyStart, keysAt + keyEnd)),
      vectorChecksum: word(1),
      changed: { seq: this.#view.getFloat64(at + 16, true), ordinal: word(3) },
      metadata: { start: word(6), size: word(7), checksum: word(8) },
      document: word(10) === noDocument ? null : { start: word(9), size: word(10), checksum: word(11) },
    }
  }

  #damaged(what: string): WindlassError {
    return new WindlassError('corrupt', `${this.#key}: section vector-lists is damaged: ${what}`, { key: this.#key })
  }
}
