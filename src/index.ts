import { tmpdir } from 'node:os'
import { builderInThread } from './library/index-thread.ts'
import { systemClock, type Clock } from './base/clock.ts'
import { systemRandom, type Random } from './base/random.ts'
import type { EmbeddingModel } from './embed/embedding-model.ts'
import { loadStaticModel } from './embed/load-static-model.ts'
import type { SentenceTransformerSettings } from './embed/sentence-transformer.ts'
import type { EngineSettings } from './engine/core.ts'
import { Database } from './engine/database.ts'
import { BucketHandle } from './library/bucket-handle.ts'
import type { DocumentEngine } from './library/open-engine.ts'
import type { Bucket } from './library/types.ts'
import { CountingStore } from './store/counting-store.ts'
import { openStore, type StoreSettings } from './store/open-store.ts'
import type { ModelStore } from './models/model-store.ts'
import type { ObjectStore } from './store/object-store.ts'
import { isSegmentKey } from './format/segment.ts'
import { createAnalyzerById } from './text/analyzer.ts'

/** Settings are plain values; components are objects with behaviour. Everything has a default. */
export interface OpenOptions {
  /** Region, endpoint, keys of an S3 store; the AWS default credential chain where absent. */
  readonly store?: StoreSettings
  readonly engine?: Partial<EngineSettings>
  /** What embeds files and questions, or how to get it when it is first needed; the built-in static model where absent. */
  readonly embeddingModel?: EmbeddingModel | (() => Promise<EmbeddingModel>)
  /** Keeps what queries read of segments on the local disk, up to so many bytes; for buckets behind a network. Default: nothing. */
  readonly diskCache?: { readonly budgetBytes: number; readonly folder?: string }
  /** Keeps files and answers searches of them elsewhere than in the bucket: `documents(name)` is then there. */
  readonly documentEngine?: DocumentEngine
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * Opens a bucket: `s3://name/prefix`, `file:./folder`, `memory:`, or read-only `https://…`.
 * Reads nothing yet; what is in it is found when it is asked for.
 * @throws {WindlassError} `invalid` for a URL of no known kind.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<Bucket> {
  const { clock = systemClock, random = systemRandom } = options
  // Below retries and coalescing: what is counted are the requests that a store is paid for.
  let counting: CountingStore | null = null
  const wrap = (store: ObjectStore) => (counting = new CountingStore(store))
  const disk = options.diskCache && { folder: options.diskCache.folder ?? tmpdir(), budgetBytes: options.diskCache.budgetBytes, isImmutable: isSegmentKey }
  const store = await openStore(url, { ...options.store, clock, random, wrap, ...(disk && { diskCache: disk }) })
  const database = new Database({ store, clock, random, analyzerFor: createAnalyzerById, indexBuilder: builderInThread(() => clock.sleep(0)), ...(options.engine && { settings: options.engine }) })
  const { embeddingModel = loadStaticModel } = options
  let model: Promise<EmbeddingModel> | null = null
  const loadModel = () => {
    // One that could not be reached is asked again next time.
    model ??= (typeof embeddingModel === 'function' ? embeddingModel() : Promise.resolve(embeddingModel)).catch((error: unknown) => {
      model = null
      throw error
    })
    return model
  }
  return new BucketHandle(store, counting!, { database, clock, random, storeSettings: options.store ?? {}, loadModel, ...(options.documentEngine && { documentEngine: options.documentEngine }) })
}

export { WindlassError, isWindlassError, type ErrorKind } from './base/errors.ts'
export { defineVectorizer, type VectorizerDeclaration, type VectorizerInput } from './vectorize/declaration/declaration.ts'
export type { RunReport } from './vectorize/run/report.ts'
export type { DriftReport, Vectorizer, VectorizerError, VectorizerStatus } from './vectorize/vectorizer.ts'
/**
 * Opens a sentence-transformer in ONNX, run by transformers.js (an optional peer) in a thread of its own; its files come from `models`.
 * @throws {WindlassError} `missing-dependency`, naming the command that installs it; `unsupported`, `invalid`, `not-found`.
 */
export async function openSentenceTransformer(settings: SentenceTransformerSettings, models: ModelStore): Promise<EmbeddingModel & { close(): Promise<void> }> {
  const [{ SentenceTransformer }, { embeddingFiles }] = await Promise.all([import('./embed/sentence-transformer.ts'), import('./models/embedding-files.ts')])
  return SentenceTransformer.open(settings, embeddingFiles(async () => models))
}

export { openModelStore, type ModelStoreSettings } from './models/open-model-store.ts'
export type { LocalModel, ModelProgress, ModelStore } from './models/model-store.ts'
export type { EmbeddingModel } from './embed/embedding-model.ts'
export type { Metadata, MetadataValue } from './format/record.ts'
export type { AudioHandle, AudioOptions, HeardPassage } from './library/audio-handle.ts'
export type { Recording, Segment, Speaker, Transcript } from './audio/recording.ts'
export type { SpeakerEmbedder } from './audio/speaker-embedder.ts'
export type { Transcriber } from './audio/transcriber.ts'
export type { VoiceActivity } from './audio/voice-activity.ts'
export type { DocumentEngine } from './library/open-engine.ts'
export type * from './library/types.ts'
