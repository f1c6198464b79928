import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { AudioHandle } from '../library/audio-handle.ts'
import type { EventAnswer } from '../library/event-door.ts'
import type { Bucket, Vectorizer } from '../library/types.ts'
import type { ModelStore } from '../models/model-store.ts'
import type { KeySource } from './access.ts'
import type { BodyBudget } from './request-body.ts'
import type { Scratch } from './upload.ts'

/** What every door is given. */
export interface ApiContext {
  readonly bucket: Bucket
  readonly keys: KeySource
  readonly scratch: Scratch
  readonly bodies: BodyBudget
  readonly allowedHosts: readonly string[]
  readonly corsOrigins: readonly string[]
  readonly uploadBytesMax: number
  readonly clock: Clock
  readonly random: Random
  /** Runs at most a few file conversions at once. */
  indexing<Value>(task: () => Promise<Value>): Promise<Value>
  /** Those that this server was started with. */
  readonly vectorizers: readonly Vectorizer[]
  /** Opens the model store where it is not open yet. */
  models(): Promise<ModelStore>
  /** Hands events to a declared vectorizer. @throws {WindlassError} `not-found` where none of this name is. */
  applyEvents(vectorizer: string, message: unknown): Promise<EventAnswer>
  /** The recordings; `wake` says that there is something to do. Keys reach them by the collection that transcripts are searched in. */
  readonly audio: { readonly collection: string; open(): Promise<AudioHandle>; wake(): void }
  /** False while the server drains. */
  isReady(): boolean
  /** The model store, as `/health` shows it; nothing until it is used. */
  modelChecks(): Promise<{ name: string; ok: boolean; detail: string }[]>
  metrics(): Promise<{ text: string; contentType: string }>
  readonly version: string
}
