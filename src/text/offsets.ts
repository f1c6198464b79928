/** Places in a normalized text, translated back to the text it was made of. */
export interface Offsets {
  startOf(index: number): number
  endOf(index: number): number
}

const unchanged: Offsets = { startOf: (index) => index, endOf: (index) => index }
// What normalization may compose into one character: a base with its marks, and the letters of one Hangul syllable.
const cluster = /[\s\S][\p{M}\u1160-\u11ff\uff9e\uff9f]*/gu

/**
 * Where each unit of `normal`, the NFKC of `text`, came from.
 * A character that several became one of, or one became several of, counts as a whole.
 */
export function offsetsOf(text: string, normal: string): Offsets {
  if (text === normal) return unchanged
  // Per unit of `normal`: start and end of its cluster in `text`.
  const starts: number[] = []
  const ends: number[] = []
  for (const match of text.matchAll(cluster)) {
    const end = match.index + match[0].length
    const size = match[0].normalize('NFKC').length
    for (let i = 0; i < size; i++) {
      starts.push(match.index)
      ends.push(end)
    }
  }
  return {
    startOf: (index) => starts[index] ?? text.length,
    endOf: (index) => (index === 0 ? 0 : (ends[index - 1] ?? text.length)),
  }
}
