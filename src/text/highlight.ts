import type { Analyzer, TermSpan } from './analyzer.ts'

/** A place in a text: [start, end) in UTF-16 units. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

/** What to show of a text that was found. */
export interface Highlight {
  /** The part with the most different query terms. */
  readonly window: TextRange
  /** Words of the whole text that match, in order; they do not overlap. */
  readonly ranges: readonly TextRange[]
}

/**
 * Finds the words of `text` that a query matched, and the passage to show.
 * @param queryTerms What `analyzer.terms` made of the query.
 * @param windowSize Longest window in UTF-16 units. It starts and ends between words where that costs little.
 */
export function highlight(text: string, queryTerms: readonly string[], analyzer: Analyzer, windowSize = 200): Highlight {
  const wanted = new Set(queryTerms)
  const spans = wanted.size === 0 ? [] : analyzer.spans(text).filter(({ term }) => wanted.has(term))
  const best = bestRun(spans, windowSize)
  return { window: windowAround(text, best, windowSize), ranges: joinRanges(spans) }
}

/** The run of matches, no longer than the window, that has most different terms; then most matches; then the first. */
function bestRun(spans: readonly TermSpan[], windowSize: number): TextRange {
  const inside = new Map<string, number>()
  let best = { start: 0, end: 0, terms: 0, matches: 0 }
  let first = 0
  for (let last = 0; last < spans.length; last++) {
    const { term, end } = spans[last]!
    inside.set(term, (inside.get(term) ?? 0) + 1)
    while (first < last && end - spans[first]!.start > windowSize) {
      const left = spans[first++]!.term
      const count = inside.get(left)! - 1
      if (count === 0) inside.delete(left)
      else inside.set(left, count)
    }
    const matches = last - first + 1
    if (inside.size > best.terms || (inside.size === best.terms && matches > best.matches)) {
      best = { start: spans[first]!.start, end, terms: inside.size, matches }
    }
  }
  return best
}

/** The run with what is around it, up to the window's size, cut at spaces. */
function windowAround(text: string, run: TextRange, windowSize: number): TextRange {
  const spare = Math.max(0, windowSize - (run.end - run.start))
  let start = Math.max(0, Math.min(run.start - Math.floor(spare / 2), text.length - windowSize))
  let end = Math.min(text.length, start + Math.max(windowSize, run.end - run.start))
  // A word that the edge cuts is left out, as far as the run is not touched; scripts without spaces are cut anywhere.
  if (start > 0) {
    const space = text.slice(start - 1, run.start).search(/\s/)
    if (space >= 0 && space < wordLengthMax) start += space
    while (start < run.start && /\s/.test(text[start]!)) start++
  }
  if (end < text.length) {
    const tail = text.slice(run.end, end + 1)
    const space = tail.search(/\s\S*$/)
    if (space >= 0 && tail.length - space <= wordLengthMax) end = run.end + space
  }
  if (isLowSurrogate(text, start)) start++
  if (isLowSurrogate(text, end)) end--
  return { start, end }
}

const wordLengthMax = 30

function isLowSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00
}

/** Overlapping and touching places become one: pairs of characters overlap, parts lie in their whole. */
function joinRanges(spans: readonly TermSpan[]): TextRange[] {
  const joined: { start: number; end: number }[] = []
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last && start <= last.end) last.end = Math.max(last.end, end)
    else joined.push({ start, end })
  }
  return joined
}
