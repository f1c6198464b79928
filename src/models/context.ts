import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { HubClient } from './hub-client.ts'
import type { ModelBucket } from './model-bucket.ts'
import type { ModelDisk } from './model-disk.ts'

/** Where a file came from: nearest first. */
export type ModelTier = 'disk' | 'bucket' | 'hub'

/** Something that the store did, for a log. */
export type ModelEvent =
  | { readonly event: 'fetched'; readonly repository: string; readonly path: string; readonly tier: ModelTier; readonly bytes: number; readonly ms: number }
  | { readonly event: 'stored'; readonly repository: string; readonly path: string; readonly bytes: number; readonly ms: number }
  | { readonly event: 'problem'; readonly what: ModelProblem; readonly message: string }

/** What can be wrong without a model being refused: another tier served it. */
export type ModelProblem = 'bucket-read' | 'bucket-write' | 'damaged' | 'disk'

/** The tiers of a model store, and what they share. What is null is not there. */
export interface ModelTiers {
  readonly disk: ModelDisk | null
  readonly bucket: ModelBucket | null
  readonly hub: HubClient | null
  readonly clock: Clock
  readonly random: Random
  readonly journal: ModelJournal
  /** Ends everything that goes on in the background. */
  readonly closing: AbortSignal
}

/** What has happened, for `/metrics` and `/health`. */
export class ModelJournal {
  readonly fetchedBytes: Record<ModelTier, number> = { disk: 0, bucket: 0, hub: 0 }
  readonly fetchedFiles: Record<ModelTier, number> = { disk: 0, bucket: 0, hub: 0 }
  readonly #problems = new Map<ModelProblem, string>()
  readonly #listen: (event: ModelEvent) => void

  constructor(listen: (event: ModelEvent) => void) {
    this.#listen = listen
  }

  fetched(repository: string, path: string, tier: ModelTier, bytes: number, ms: number): void {
    this.fetchedFiles[tier]++
    this.fetchedBytes[tier] += bytes
    this.#listen({ event: 'fetched', repository, path, tier, bytes, ms })
  }

  stored(repository: string, path: string, bytes: number, ms: number): void {
    this.#problems.delete('bucket-write')
    this.#listen({ event: 'stored', repository, path, bytes, ms })
  }

  problem(what: ModelProblem, error: unknown): void {
    const message = messageOf(error)
    this.#problems.set(what, message)
    this.#listen({ event: 'problem', what, message })
  }

  solved(what: ModelProblem): void {
    this.#problems.delete(what)
  }

  /** Problems that stand, newest wording each. */
  problems(): ReadonlyMap<ModelProblem, string> {
    return this.#problems
  }
}
