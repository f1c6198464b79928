import { throwIfAborted, WindlassError } from '../../base/errors.ts'
import type { Block, Chunk } from '../document.ts'
import { pathSeparator, SectionPacker, type PackOptions } from './section-packer.ts'

export interface ChunkOptions extends PackOptions {
  /** Upper bound of a chunk's tokens, heading path included. Only a single character of more tokens exceeds it. */
  readonly tokensMax: number
  /** How much of a chunk's end the next chunk of the same section begins with; 0 for none. At most half of `tokensMax`. */
  readonly overlapTokens: number
  /** Called about twice for each text. What it gives for `''` is taken for what a model adds to every input. */
  readonly countTokens: (text: string) => number
  readonly signal?: AbortSignal
}

/** Headings without text of their own that are held back for what follows. */
const heldHeadingsMax = 64

/**
 * Cuts a document into passages, by structure: never across headings, rather between blocks than inside, rather between
 * sentences than inside. The same blocks and options always give the same chunks. Holds one section's open chunk at a time.
 * @throws {WindlassError} `invalid` for options that make no sense; `cancelled` when `signal` aborts; what `blocks` throws.
 */
export async function* chunkDocument(blocks: AsyncIterable<Block>, options: ChunkOptions): AsyncGenerator<Chunk> {
  checkOptions(options)
  let index = 0
  const numbered = (chunk: Omit<Chunk, 'index'>): Chunk => ({ index: index++, ...chunk })
  let packer: SectionPacker | null = null
  /** Headings that no passage has in its path yet. */
  let held: Block[] = []
  for await (const block of blocks) {
    throwIfAborted(options.signal)
    if (block.text.trim() === '') continue
    if (block.kind === 'heading') {
      if (packer) for (const chunk of packer.end()) yield numbered(chunk)
      packer = null
      held.push(block)
      if (held.length > heldHeadingsMax) {
        for (const chunk of packHeadings(held, options)) yield numbered(chunk)
        held = []
      }
      continue
    }
    if (!packer) {
      packer = new SectionPacker(block.headingPath, options)
      for (const heading of held)
        if (!isWithin(block.headingPath, heading.headingPath))
          for (const chunk of packer.add(heading)) yield numbered(chunk)
      held = []
    }
    for (const chunk of packer.add(block)) yield numbered(chunk)
  }
  if (packer) for (const chunk of packer.end()) yield numbered(chunk)
  for (const chunk of packHeadings(held, options)) yield numbered(chunk)
}

/** Headings that have nothing under them are still text of the document: a passage of their own. */
function* packHeadings(held: readonly Block[], options: ChunkOptions): Generator<Omit<Chunk, 'index'>> {
  const childless = held.filter(
    (heading, i) => !held.slice(i + 1).some((later) => isWithin(later.headingPath, heading.headingPath)),
  )
  const [first] = childless
  if (!first) return
  let shared = first.headingPath.length - 1
  while (!childless.every(({ headingPath }) => isWithin(headingPath, first.headingPath.slice(0, shared)))) shared--
  const packer = new SectionPacker(first.headingPath.slice(0, shared), options)
  for (const heading of childless)
    yield* packer.add({ ...heading, kind: 'paragraph', text: heading.headingPath.slice(shared).join(pathSeparator) })
  yield* packer.end()
}

function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((heading, i) => path[i] === heading)
}

function checkOptions({ tokensMax, overlapTokens, countTokens }: ChunkOptions): void {
  const least = countTokens('') + 1
  if (!Number.isInteger(tokensMax) || tokensMax < least) {
    throw new WindlassError(
      'invalid',
      `chunk size must be a whole number of tokens of at least ${least}, found ${tokensMax}`,
      { path: 'tokensMax' },
    )
  }
  if (!Number.isInteger(overlapTokens) || overlapTokens < 0 || overlapTokens > tokensMax / 2) {
    throw new WindlassError(
      'invalid',
      `overlap must be a whole number of tokens from 0 to ${Math.floor(tokensMax / 2)}, half of the chunk size, found ${overlapTokens}`,
      { path: 'overlapTokens' },
    )
  }
}
