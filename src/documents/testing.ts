import { toUtf8 } from '../base/bytes.ts'
import {
  chunkDocument,
  parseDocument,
  type Block,
  type Chunk,
  type ChunkOptions,
  type ParsedDocument,
  type ParseOptions,
} from './document.ts'

/** A file in memory, handed over in parts of `partBytes`. */
export function fileOf(
  name: string,
  content: string | Uint8Array,
  partBytes = 1 << 30,
): Parameters<typeof parseDocument>[0] {
  const bytes = typeof content === 'string' ? toUtf8(content) : content
  return {
    name,
    size: bytes.length,
    open: async function* () {
      for (let start = 0; start < bytes.length; start += partBytes) yield bytes.subarray(start, start + partBytes)
    },
  }
}

/** Parses a file in memory to its end. */
export async function parseFile(
  name: string,
  content: string | Uint8Array,
  options: ParseOptions & { contentType?: string; partBytes?: number } = {},
): Promise<Omit<ParsedDocument, 'blocks'> & { blocks: Block[] }> {
  const { contentType, partBytes, ...parseOptions } = options
  const { blocks, ...rest } = await parseDocument(
    { ...fileOf(name, content, partBytes), ...(contentType !== undefined && { contentType }) },
    parseOptions,
  )
  return { ...rest, blocks: await collect(blocks) }
}

/** Chunks of `blocks`, one token a word, with `[CLS]` and `[SEP]`. */
export async function chunkBlocks(blocks: readonly Block[], options: Partial<ChunkOptions> = {}): Promise<Chunk[]> {
  const each = async function* () {
    yield* blocks
  }
  return collect(chunkDocument(each(), { tokensMax: 20, overlapTokens: 0, countTokens: countWords, ...options }))
}

/** Two for the ends of every input, one a word. */
export function countWords(text: string): number {
  return 2 + (text.match(/\S+/g)?.length ?? 0)
}

/** Everything that `items` yields. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
