/** A piece of a text, and whether it is one of the words searched for. */
export interface Piece {
  readonly text: string
  readonly isHit: boolean
}

/**
 * Cuts a text where its highlights begin and end.
 * @param ranges [start, end) in UTF-16 units; overlapping, unordered and out of bounds are put right, none is lost.
 */
export function pieces(text: string, ranges: readonly { readonly start: number; readonly end: number }[]): Piece[] {
  const result: Piece[] = []
  let at = 0
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const from = Math.max(at, Math.min(start, text.length))
    const to = Math.min(end, text.length)
    if (to <= from) continue
    if (from > at) result.push({ text: text.slice(at, from), isHit: false })
    result.push({ text: text.slice(from, to), isHit: true })
    at = to
  }
  if (at < text.length) result.push({ text: text.slice(at), isHit: false })
  return result
}

// A line as long as this was broken to fit a column; a shorter one ends where it was meant to.
const brokenLineMin = 60

/** Joins lines that were broken to fit a column: the result is as long as the text, so that places in it stay. Lists, tables, headings and what is indented keep their lines. */
export function unwrap(text: string): string {
  return text.replace(/\n(?=[^\s\-*+|#>`\d])/g, (_, at: number) => (at - (text.lastIndexOf('\n', at - 1) + 1) >= brokenLineMin ? ' ' : '\n'))
}

/** Around the first highlight, `lengthMax` units at most, cut between words; whole where it is short enough. */
export function excerpt(text: string, ranges: readonly { readonly start: number; readonly end: number }[], lengthMax: number): { text: string; ranges: { start: number; end: number }[]; isCut: boolean } {
  if (text.length <= lengthMax) return { text, ranges: [...ranges], isCut: false }
  const first = ranges.length === 0 ? 0 : Math.min(...ranges.map(({ start }) => start))
  let from = Math.max(0, Math.min(first - Math.floor(lengthMax / 4), text.length - lengthMax))
  let to = from + lengthMax
  if (from > 0) from = nextBreak(text, from)
  if (to < text.length) to = lastBreak(text, to)
  const before = from > 0 ? '… ' : ''
  const after = to < text.length ? ' …' : ''
  const moved = ranges.filter(({ start, end }) => start >= from && end <= to).map(({ start, end }) => ({ start: start - from + before.length, end: end - from + before.length }))
  return { text: before + text.slice(from, to) + after, ranges: moved, isCut: true }
}

// A word that is longer than this is cut through.
const wordMax = 40

function nextBreak(text: string, at: number): number {
  const found = text.slice(at, at + wordMax).search(/\s/)
  return found < 0 ? whole(text, at) : at + found + 1
}

function lastBreak(text: string, at: number): number {
  const found = text.slice(at - wordMax, at).search(/\s\S*$/)
  return found < 0 ? whole(text, at) : at - wordMax + found
}

/** Not between the halves of a surrogate pair. */
function whole(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}
