import type { Block, Chunk } from '../document.ts'
import { cutPart, splitBlock, withPrefix, type TokenCounter } from './split-block.ts'
import { spanPlaces, type Unit } from './unit.ts'

export interface PackOptions {
  readonly tokensMax: number
  readonly overlapTokens: number
  readonly countTokens: (text: string) => number
}

/** Between the headings of a path where it is embedded. */
export const pathSeparator = ' > '

/** Packs the units of one section into chunks: as full as they get, ending at the end of a block where that leaves them half full. */
export class SectionPacker {
  readonly #headingPath: readonly string[]
  readonly #options: PackOptions
  readonly #heading: string
  /** Tokens left for the passage. */
  readonly #budget: number
  readonly #count: TokenCounter
  /** What the next chunk is made of; the first `#overlapCount` were in the chunk before too. */
  #units: Unit[] = []
  #tokens = 0
  #overlapCount = 0

  constructor(headingPath: readonly string[], options: PackOptions) {
    this.#headingPath = headingPath
    this.#options = options
    // What a model adds to every input, such as [CLS] and [SEP], is in every count once.
    const constant = options.countTokens('')
    this.#count = (text) => options.countTokens(text) - constant
    const room = options.tokensMax - constant
    this.#heading = headingPrefix(headingPath, this.#count, Math.floor(room / 3))
    this.#budget = Math.max(1, room - (this.#heading === '' ? 0 : this.#count(this.#heading)))
  }

  /** Takes a block in. @returns the chunks that are full by now, without their index. */
  *add(block: Block): Generator<Omit<Chunk, 'index'>> {
    for (const unit of splitBlock(block, this.#count, this.#budget)) {
      if (unit.text.trim() === '') {
        this.#appendBlank(unit)
        continue
      }
      while (this.#units.length > 0 && this.#tokens + unit.tokens > this.#budget) {
        // Overlap alone is no passage: it gives way, from its start.
        if (this.#units.length === this.#overlapCount) this.#drop(1)
        else yield this.#takeChunk(unit)
      }
      this.#push(unit)
    }
  }

  /** The chunks that are left. */
  *end(): Generator<Omit<Chunk, 'index'>> {
    while (this.#units.length > this.#overlapCount) yield this.#takeChunk(null)
    this.#drop(this.#units.length)
  }

  /** White space is no unit of its own: it would make empty passages. */
  #appendBlank(blank: Unit): void {
    const last = this.#units.pop()
    if (last) this.#units.push(last.block === blank.block ? { ...last, text: last.text + blank.text } : last)
  }

  #push(unit: Unit): void {
    this.#units.push(unit)
    this.#tokens += unit.tokens
  }

  /** Removes the first `count` units. */
  #drop(count: number): void {
    for (const unit of this.#units.splice(0, count)) this.#tokens -= unit.tokens
    this.#overlapCount = Math.max(0, this.#overlapCount - count)
  }

  /** @param next The unit that comes after those that are held; `null` at the section's end. */
  #takeChunk(next: Unit | null): Omit<Chunk, 'index'> {
    const { countTokens, tokensMax, overlapTokens } = this.#options
    let end = next || this.#tokens > this.#budget ? this.#bestEnd(next) : this.#units.length
    let text = joinUnits(this.#units.slice(0, end))
    let tokenCount = countTokens(this.#heading + text)
    // Tokens do not quite add up across units: join less until they fit.
    while (tokenCount > tokensMax) {
      if (end > this.#overlapCount + 1) end--
      else if (this.#overlapCount > 0) {
        this.#drop(this.#overlapCount)
        end = 1
      } else if (!this.#halveFirst()) break
      text = joinUnits(this.#units.slice(0, end))
      tokenCount = countTokens(this.#heading + text)
    }
    const taken = this.#units.slice(0, end)
    const chunk = {
      text,
      embeddingText: this.#heading + text,
      headingPath: this.#headingPath,
      ...spanPlaces(taken.map((unit) => unit.place)),
      tokenCount,
    }
    const overlap = overlapOf(taken, this.#overlapCount, overlapTokens)
    this.#overlapCount = 0
    this.#drop(end)
    this.#units.unshift(...overlap)
    for (const unit of overlap) this.#tokens += unit.tokens
    this.#overlapCount = overlap.length
    return chunk
  }

  /** How many units to take: up to the last end of a block, if that fills half of the budget, else as many as fit. */
  #bestEnd(next: Unit | null): number {
    let tokens = 0
    let fitting = 0
    let best = 0
    for (const [i, unit] of this.#units.entries()) {
      tokens += unit.tokens
      if (tokens > this.#budget && i >= this.#overlapCount + 1) break
      fitting = i + 1
      const endsBlock = (this.#units[i + 1] ?? next)?.block !== unit.block
      if (endsBlock && fitting > this.#overlapCount && tokens * 2 >= this.#budget) best = fitting
    }
    return best || fitting
  }

  /** Makes room when even one unit is too much. @returns whether it could be cut. */
  #halveFirst(): boolean {
    const unit = this.#units[0]!
    const parts: Unit[] = []
    for (const part of cutPart(unit, this.#count, Math.max(1, Math.floor(unit.tokens / 2)))) {
      const last = parts[parts.length - 1]
      if (part.text.trim() !== '') parts.push({ ...unit, ...part })
      else if (last) parts[parts.length - 1] = { ...last, text: last.text + part.text }
    }
    if (parts.length < 2) return false
    this.#tokens += parts.reduce((sum, part) => sum + part.tokens, 0) - unit.tokens
    this.#units.splice(0, 1, ...parts)
    return true
  }
}

/** The units at the end of a chunk that the next one begins with, never all of it. Rows and records stand for themselves: none. */
function overlapOf(taken: readonly Unit[], oldOverlap: number, overlapTokens: number): Unit[] {
  let start = taken.length
  for (let tokens = 0; start > oldOverlap + 1; start--) {
    const unit = taken[start - 1]!
    tokens += unit.tokens
    if (
      tokens > overlapTokens ||
      unit.block.kind === 'row' ||
      unit.block.kind === 'record' ||
      unit.block.kind === 'table'
    )
      break
  }
  return taken.slice(start)
}

function joinUnits(units: readonly Unit[]): string {
  let text = ''
  units.forEach((unit, i) => {
    const before = units[i - 1]
    if (!before) text = withPrefix(unit)
    else if (before.block === unit.block) text += unit.text
    else text = joinBlocks(text, before.block, unit)
  })
  return text.trimEnd().replace(/^\s*\n/, '')
}

function joinBlocks(text: string, before: Block, unit: Unit): string {
  const { block } = unit
  // Pieces of one long line.
  if (before.byteEnd !== undefined && before.byteEnd === block.byteStart && before.lineEnd === block.lineStart)
    return text + unit.text
  const isTight =
    before.kind === block.kind &&
    (block.kind === 'list' ||
      (block.kind === 'code' && before.lineEnd !== undefined && before.lineEnd + 1 === block.lineStart))
  return text.trimEnd() + (isTight ? '\n' : '\n\n') + unit.text
}

/** The heading path with its separator; outer headings are left out where it takes more than `tokensMax`. */
function headingPrefix(path: readonly string[], count: TokenCounter, tokensMax: number): string {
  for (let from = 0; from < path.length; from++) {
    const prefix = path.slice(from).join(pathSeparator) + '\n\n'
    if (count(prefix) <= tokensMax) return prefix
  }
  return ''
}
