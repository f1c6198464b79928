import { utf8Length } from '../../base/bytes.ts'
import type { Block } from '../document.ts'

/** Where text lies in the file; what is not known is absent. */
export interface Place {
  readonly page?: number
  readonly lineStart?: number
  readonly lineEnd?: number
  readonly byteStart?: number
  readonly byteEnd?: number
}

/** The smallest part of a block that chunks are put together from: a sentence, a line, a group of lines of code. */
export interface Unit {
  readonly block: Block
  /** With the white space that follows it. The units of a block, joined, are its text. */
  readonly text: string
  /** Tokens of `prefix` and `text`. */
  readonly tokens: number
  /** Said again when a chunk begins here, in the middle of a value: `column: `. */
  readonly prefix?: string
  readonly place: Place
}

/** A part of a block's text, before its tokens are counted. */
export interface Part {
  readonly text: string
  readonly prefix?: string
}

/** Tells the places of a block's parts, which must be asked for in order and leave nothing out. */
export function placer(block: Block): (text: string) => Place {
  const { page, lineStart, lineEnd, byteStart, byteEnd } = block
  const whole: Place = {
    ...(page !== undefined && { page }),
    ...(lineStart !== undefined && { lineStart }),
    ...(lineEnd !== undefined && { lineEnd }),
    ...(byteStart !== undefined && { byteStart }),
    ...(byteEnd !== undefined && { byteEnd }),
  }
  if (!block.verbatim || lineStart === undefined || byteStart === undefined || byteEnd === undefined) return () => whole
  const newlines = countNewlines(block.text)
  const surplus = byteEnd - byteStart - utf8Length(block.text)
  // Every line ends in `\n`, or every line in `\r\n`; a mixture does not tell where.
  if (surplus !== 0 && surplus !== newlines) return () => whole
  let line = lineStart
  let byte = byteStart
  return (text) => {
    const shown = text.trimEnd()
    const ownNewlines = countNewlines(shown)
    const size = (part: string, partNewlines: number) => utf8Length(part) + (surplus > 0 ? partNewlines : 0)
    const place: Place = {
      ...whole,
      lineStart: line,
      lineEnd: line + ownNewlines,
      byteStart: byte,
      byteEnd: byte + size(shown, ownNewlines),
    }
    const allNewlines = ownNewlines + countNewlines(text.slice(shown.length))
    line += allNewlines
    byte += size(text, allNewlines)
    return place
  }
}

/** The place from the start of the first to the end of the last. */
export function spanPlaces(places: readonly Place[]): Place {
  const first = places[0]!
  const last = places[places.length - 1]!
  return {
    ...(first.page !== undefined && { page: first.page }),
    ...(first.lineStart !== undefined &&
      last.lineEnd !== undefined && { lineStart: first.lineStart, lineEnd: last.lineEnd }),
    ...(first.byteStart !== undefined &&
      last.byteEnd !== undefined && { byteStart: first.byteStart, byteEnd: last.byteEnd }),
  }
}

function countNewlines(text: string): number {
  let count = 0
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) count++
  return count
}
