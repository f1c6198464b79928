import type { Block, Chunk } from '../document.ts'
import { cutPart, splitBlock, withPrefix, type TokenCounter } from './split-block.ts'
import { spanPlaces, type Unit } from './unit.ts'

export interface PackOptions {
  readonly tokensMax: number
  readonly overlapTokens: number
  readonly countTokens: (text: string) => number
}

/** Between the headings of a path where it is embedded. */
const pathSeparator = ' > '

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
      if (unit.text.trim() === '' && this.#units.length === 0) continue
      while (this.#units.length > 0 && this.#tokens + unit.tokens > this.#budget) {
        this.#dropOverlapFor(unit)
        if (this.#tokens + unit.tokens <= this.#budget) break
        if (this.#units.length === this.#overlapCount) this.#drop(this.#overlapCount)
        else yield this.#takeChunk()
      }
      this.#push(unit)
    }
  }

  /** The chunks that are left. */
  *end(): Generator<Omit<Chunk, 'index'>> {
    while (this.#units.slice(this.#overlapCount).some((unit) => unit.text.trim() !== '')) yield this.#takeChunk(true)
    this.#drop(this.#units.length)
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

  /** A fuller chunk is worth more than a longer overlap, if that makes room for `unit`. */
  #dropOverlapFor(unit: Unit): void {
    const excess = this.#tokens + unit.tokens - this.#budget
    let freed = 0
    for (let count = 1; count <= this.#overlapCount; count++) {
      freed += this.#units[count - 1]!.tokens
      if (freed >= excess) return this.#drop(count)
    }
  }

  #takeChunk(isLast = false): Omit<Chunk, 'index'> {
    const { countTokens, tokensMax, overlapTokens } = this.#options
    let end = isLast && this.#tokens <= this.#budget ? this.#units.length : this.#bestEnd()
    let text = joinUnits(this.#units.slice(0, end))
    let tokenCount = countTokens(this.#heading + text)
    // Tokens do not quite add up across units: join fewer until they fit.
    while (tokenCount > tokensMax && (end > this.#overlapCount + 1 || this.#splitOnly(end))) {
      end = Math.max(this.#overlapCount + 1, end - 1)
      text = joinUnits(this.#units.slice(0, end))
      tokenCount = countTokens(this.#heading + text)
    }
    const taken = this.#units.slice(0, end)
    const chunk = {
      text,
      embeddingText: this.#heading + text,
      headingPath: this.#headingPath,
      ...spanPlaces(taken.filter((unit) => unit.text.trim() !== '').map((unit) => unit.place)),
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
  #bestEnd(): number {
    let tokens = 0
    let fitting = 0
    let best = 0
    for (const [i, unit] of this.#units.entries()) {
      tokens += unit.tokens
      if (tokens > this.#budget && i >= this.#overlapCount + 1) break
      fitting = i + 1
      const endsBlock = this.#units[i + 1]?.block !== unit.block
      if (endsBlock && fitting > this.#overlapCount && tokens * 2 >= this.#budget) best = fitting
    }
    return best || fitting
  }

  /** Makes room when even one unit is too much: without overlap, then in halves. @returns whether that changed anything. */
  #splitOnly(end: number): boolean {
    if (this.#overlapCount > 0) {
      this.#drop(this.#overlapCount)
      return true
    }
    const unit = this.#units[end - 1]!
    const parts = [...cutPart(unit, this.#count, Math.max(1, Math.floor(unit.tokens / 2)))]
    if (parts.length < 2) return false
    this.#units.splice(0, 1, ...parts.map((part) => ({ ...unit, ...part })))
    return true
  }
}

/** The units at the end of a chunk that the next one begins with. Rows and records stand for themselves: none. */
function overlapOf(taken: readonly Unit[], oldOverlap: number, overlapTokens: number): Unit[] {
  let start = taken.length
  for (let tokens = 0; start > oldOverlap; start--) {
    const unit = taken[start - 1]!
    tokens += unit.tokens
    if (tokens > overlapTokens || unit.block.kind === 'row' || unit.block.kind === 'record' || unit.block.kind === 'table') break
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
  if (before.byteEnd !== undefined && before.byteEnd === block.byteStart && before.lineEnd === block.lineStart) return text + unit.text
  const isTight = before.kind === block.kind && (block.kind === 'list' || (block.kind === 'code' && before.lineEnd !== undefined && before.lineEnd + 1 === block.lineStart))
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
