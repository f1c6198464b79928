import { seededRandom } from '../base/random.ts'
import { finishInTurns } from '../base/steps.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { buildIndex, type BuildOptions, type BuiltHead, type BuiltIndex } from './build.ts'
import type { BuildProgress } from './train.ts'
import { pileSource, type PiledVectors } from './vector-pile.ts'

/** What an index is built of, and how. */
export interface IndexJob {
  readonly vectors: PiledVectors
  readonly options: BuildOptions
  /** Seeds all chance, so that the same job gives the same bytes. */
  readonly seed: number
}

/** The bytes of one cluster. */
export interface ClusterBytes {
  readonly list: Uint8Array<ArrayBuffer>
  readonly records: Uint8Array<ArrayBuffer>
}

/** An index that was built, given out cluster by cluster so that no more than a few megabytes of it are in memory beside its vectors. */
export interface IndexBuild {
  readonly head: BuiltHead
  /** The next clusters, in order, some megabytes of them; empty when all were given. */
  next(): Promise<ClusterBytes[]>
  /** Lets go of everything; `next` fails afterwards. */
  release(): void
}

/** Builds indexes somewhere: here, or in a worker thread. */
export interface IndexBuilder {
  build(job: IndexJob): Promise<IndexBuild>
}

/** Bytes that `next` gives at a time, about. */
const batchBytes = 4 * 1024 * 1024

/** A build as it goes on: steps of some milliseconds, between which its caller may do other work. */
export function buildInSteps(heap: KernelHeap, { vectors, options, seed }: IndexJob): Generator<BuildProgress, BuiltIndex> {
  return buildIndex(heap, pileSource(vectors), options, seededRandom(seed))
}

/** The clusters from `from` on that fill a batch. */
export function nextBatch(built: BuiltIndex, from: number): ClusterBytes[] {
  const batch: ClusterBytes[] = []
  for (let c = from, size = 0; c < built.head.clusters && size < batchBytes; c++) {
    const bytes = { list: built.list(c), records: built.records(c) }
    size += bytes.list.length + bytes.records.length
    batch.push(bytes)
  }
  return batch
}

/** Builds in this thread, in short steps. @param giveWay Lets others of this thread work; awaited between steps. */
export function builderInSteps(giveWay: () => Promise<void>): IndexBuilder {
  return {
    async build(job) {
      // A memory of its own: what searches hold stays where it is, and all of it goes at the end.
      const built = await finishInTurns(buildInSteps(new KernelHeap(await loadKernels()), job), giveWay)
      let given = 0
      return {
        head: built.head,
        async next() {
          await giveWay()
          const batch = nextBatch(built, given)
          given += batch.length
          return batch
        },
        release: () => built.release(),
      }
    },
  }
}
