import { WindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import { chunkDocument, type Chunk, type ParsedDocument } from '../documents/document.ts'
import { hashText } from './content.ts'
import type { EmbeddedChunk } from './destinations/destination.ts'
import { chunkHashLength } from './document-rows.ts'

/** Chunks embedded in one call: enough for a batch, few enough for memory. */
const batchChunks = 64

export interface ChunkingSettings {
  readonly tokensMax: number
  readonly overlapTokens: number
}

export const defaultChunking: ChunkingSettings = { tokensMax: 256, overlapTokens: 32 }

/** A chunk and what will be embedded of it. */
export interface FormattedChunk {
  readonly chunk: Chunk
  readonly text: string
  readonly hash: string
}

/** A document's chunks in order, some dozens at a time. @param format What is embedded and stored of a chunk. `chunking` null: one chunk. */
export async function* chunkBatches(
  parsed: ParsedDocument,
  { chunking, model, format, signal }: { chunking: ChunkingSettings | null; model: EmbeddingModel; format: (chunk: Chunk) => string; signal?: AbortSignal },
): AsyncIterable<FormattedChunk[]> {
  let batch: FormattedChunk[] = []
  const chunks = chunking ? chunkDocument(parsed.blocks, { ...chunking, countTokens: (text) => model.countTokens(text), ...(signal && { signal }) }) : wholeDocument(parsed, model)
  for await (const chunk of chunks) {
    const text = format(chunk)
    batch.push({ chunk, text, hash: hashText(text).slice(0, chunkHashLength) })
    if (batch.length < batchChunks) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function* wholeDocument({ blocks }: ParsedDocument, model: EmbeddingModel): AsyncIterable<Chunk> {
  const texts: string[] = []
  let size = 0
  for await (const { text } of blocks) {
    texts.push(text)
    size += text.length
    if (size > limits.documentBytesMax) throw new WindlassError('too-large', `the text is over ${limits.documentBytesMax} bytes, the most that one record holds: let it be cut into chunks`, { path: 'chunking.method' })
  }
  const text = texts.join('\n\n')
  if (text !== '') yield { index: 0, text, embeddingText: text, headingPath: [], tokenCount: model.countTokens(text) }
}

/** Gives chunks their vectors. @param known Vectors that are at hand already, by hash: those are not embedded again. */
export async function embedChunks(
  batch: readonly FormattedChunk[],
  known: ReadonlyMap<string, Float32Array>,
  model: EmbeddingModel,
  signal?: AbortSignal,
): Promise<{ chunks: EmbeddedChunk[]; embeddedCount: number }> {
  const missing = [...new Map(batch.filter(({ hash }) => !known.has(hash)).map((each) => [each.hash, each])).values()]
  const vectors = missing.length === 0 ? [] : await model.embed(missing.map(({ text }) => text), { kind: 'document', ...(signal && { signal }) })
  const fresh = new Map(missing.map(({ hash }, i) => [hash, vectors[i]!]))
  return { chunks: batch.map((each) => ({ ...each, vector: known.get(each.hash) ?? fresh.get(each.hash)! })), embeddedCount: missing.length }
}
