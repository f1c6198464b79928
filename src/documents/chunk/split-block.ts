import type { Block } from '../document.ts'
import { cutAt } from '../read/lines.ts'
import { placer, type Part, type Unit } from './unit.ts'

/** Tokens of a text in a chunk; without what a model adds once to every input. */
export type TokenCounter = (text: string) => number

/** Between the cells of one table line. */
export const cellSeparator = ' | '

/** ICU copies what it segments: long text goes through it in windows. */
const segmentedCharsMax = 64 * 1024
const sentences = new Intl.Segmenter('und', { granularity: 'sentence' })

/**
 * Splits a block into units of at most `tokensMax`, each as whole as it can be: sentences of prose, lines of lists and
 * tables, groups of lines of code, whole rows and records. What is still too long is cut at white space, then between characters.
 */
export function* splitBlock(block: Block, count: TokenCounter, tokensMax: number): Generator<Unit> {
  const placeOf = placer(block)
  for (const part of splitParts(wholePart(block), splitters[block.kind], count, tokensMax)) {
    yield { block, ...part, place: placeOf(part.text) }
  }
}

type Splitter = (part: Part) => Part[]

// From coarse to fine. The first always applies; the next ones only to what is too long.
const splitters: Readonly<Record<Block['kind'], readonly Splitter[]>> = {
  heading: [splitSentences],
  paragraph: [splitSentences],
  list: [splitLines, splitSentences],
  table: [splitLines, splitCells, splitSentences],
  code: [keepWhole, splitCodeGroups, splitLines],
  row: [keepWhole, splitFields, splitSentences],
  record: [keepWhole, splitFields, splitSentences],
}

function wholePart(block: Block): Part {
  return { text: block.text }
}

function* splitParts(
  part: Part,
  [split, ...finer]: readonly Splitter[],
  count: TokenCounter,
  tokensMax: number,
): Generator<Part & { tokens: number }> {
  for (const piece of split!(part)) {
    // Far more characters than any tokenizer packs into so many tokens: no need to count, it is too long.
    const tokens = piece.text.length > tokensMax * 64 ? Infinity : count(withPrefix(piece))
    if (tokens <= tokensMax) {
      yield { ...piece, tokens }
      continue
    }
    const cuttable = withoutLongPrefix(piece, count, tokensMax)
    if (finer.length > 0) yield* splitParts(cuttable, finer, count, tokensMax)
    else yield* cutPart(cuttable, count, tokensMax)
  }
}

/** A column name that would take more than a quarter of every passage is not said again. */
function withoutLongPrefix(part: Part, count: TokenCounter, tokensMax: number): Part {
  return part.prefix !== undefined && count(part.prefix) * 4 > tokensMax ? { text: part.text } : part
}

/** What is shown when a chunk begins with `part`. */
export function withPrefix({ text, prefix }: Part): string {
  return prefix === undefined || text.startsWith(prefix) ? text : prefix + text
}

/** Cuts by length, guided by how many characters made a token so far. */
export function* cutPart(
  { text, ...prefix }: Part,
  count: TokenCounter,
  tokensMax: number,
): Generator<Part & { tokens: number }> {
  let charsMax = Math.max(1, tokensMax * 4)
  for (let rest = text; rest !== '';) {
    let end = cutAt(rest, charsMax)
    const countTo = (end: number) => count(withPrefix({ text: rest.slice(0, end), ...prefix }))
    let tokens = countTo(end)
    while (tokens > tokensMax && end > 1) {
      const shorter = cutAt(rest, Math.max(1, Math.min(end - 1, Math.floor((end * tokensMax * 0.9) / tokens))))
      if (shorter >= end) break // one character of many tokens: it stays whole
      end = shorter
      tokens = countTo(end)
    }
    yield { text: rest.slice(0, end), tokens, ...prefix }
    charsMax = Math.max(1, tokens > 0 ? Math.floor((end * tokensMax) / tokens) : end * 2)
    rest = rest.slice(end)
  }
}

function keepWhole(part: Part): Part[] {
  return [part]
}

function splitSentences({ text, ...prefix }: Part): Part[] {
  const parts: Part[] = []
  for (let rest = text; rest !== '';) {
    const window = rest.slice(0, cutAt(rest, segmentedCharsMax))
    rest = rest.slice(window.length)
    // ICU ends a sentence at every line end (UAX 29, SB4), but prose is wrapped; a space has the same length.
    for (const { index, segment } of sentences.segment(window.replaceAll('\n', ' '))) {
      parts.push({ text: window.slice(index, index + segment.length), ...prefix })
    }
  }
  return parts
}

function splitLines({ text }: Part): Part[] {
  return splitAfter(text, '\n').map((line) => ({ text: line }))
}

/** Cells of a table line; what comes of a cell that is cut says its column again. */
function splitCells({ text }: Part): Part[] {
  return splitAfter(text, cellSeparator).map(withColumn)
}

/** Lines of a row or record; what comes of a value that is cut says its column again. */
function splitFields({ text }: Part): Part[] {
  return splitAfter(text, '\n').map(withColumn)
}

function withColumn(text: string): Part {
  const column = /^[^\n]{1,100}?: /.exec(text)?.[0]
  return column === undefined ? { text } : { text: text, prefix: column }
}

/**
 * Groups of lines: a new one begins after a blank line, or where the indentation comes back to the block's least, unless that
 * line only closes what is open.
 */
function splitCodeGroups({ text }: Part): Part[] {
  const lines = splitAfter(text, '\n')
  const least = Math.min(...lines.filter((line) => line.trim() !== '').map(indentationOf))
  const groups: string[] = []
  let afterBlank = false
  let deeper = false
  for (const line of lines) {
    const isBlank = line.trim() === ''
    const atTop = !isBlank && indentationOf(line) === least && !/^\s*([)\]}]|end\b|else\b)/.test(line)
    if (groups.length === 0 || (!isBlank && afterBlank) || (atTop && deeper)) groups.push(line)
    else groups[groups.length - 1] += line
    afterBlank = isBlank
    deeper = !isBlank && !atTop
  }
  return groups.map((group) => ({ text: group }))
}

function indentationOf(line: string): number {
  return line.length - line.trimStart().length
}

function splitAfter(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, start)) {
    parts.push(text.slice(start, at + separator.length))
    start = at + separator.length
  }
  if (start < text.length) parts.push(text.slice(start))
  return parts
}
