import { setImmediate as nextTurn } from 'node:timers/promises'
import { voiceDistance, type SpeakerEmbedder } from './speaker-embedder.ts'

/** Voices compared with one another at once: what that takes grows with the square, 1.4 MB. */
const blockSize = 600
/** Joins after which others have their turn: some tens of milliseconds. */
const joinsAtOnce = 50

interface Cluster {
  readonly mean: Float32Array
  /** Seconds. */
  readonly weight: number
  readonly members: readonly number[]
}

/** What of an embedder says which voices are one. */
export type VoiceScale = Pick<SpeakerEmbedder, 'metric' | 'sameVoiceMax' | 'sameWindowMax'>

/**
 * Says which vectors are one voice: agglomerative clustering by the distance of centroids (as Anguera et al. 2012 describe it for diarization). How far two
 * clusters may lie apart depends on how much speech is in them, as what was said averages out: `sameWindowMax` where both are one second, down to
 * `sameVoiceMax`. In blocks of 600 vectors, and then of the blocks' clusters among themselves, so that memory grows with the number of vectors only.
 * Gives way to others now and then: the clusters of hours of speech take seconds.
 * @param weights How many seconds each stands for.
 * @returns A number for each vector; numbers run from 0 in the order in which voices first appear.
 */
export async function clusterVoices(vectors: readonly Float32Array[], weights: readonly number[], scale: VoiceScale): Promise<number[]> {
  let clusters = vectors.map((vector, i): Cluster => ({ mean: vector, weight: weights[i]!, members: [i] }))
  for (let before = Infinity; clusters.length < before; ) {
    before = clusters.length
    const joined: Cluster[] = []
    for (let start = 0; start < clusters.length; start += blockSize) joined.push(...await merge(clusters.slice(start, start + blockSize), scale))
    clusters = joined
    // One block saw all of them at once.
    if (before <= blockSize) break
  }
  const labels = new Array<number>(vectors.length).fill(-1)
  const ordered = clusters.map(({ members }) => members.toSorted((a, b) => a - b)).sort((a, b) => a[0]! - b[0]!)
  for (const [label, members] of ordered.entries()) for (const member of members) labels[member] = label
  return labels
}

/** The weighted mean of vectors. */
export function meanVoice(vectors: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const mean = new Float32Array(vectors[0]?.length ?? 0)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, vector] of vectors.entries()) for (let d = 0; d < mean.length; d++) mean[d]! += (vector[d]! * weights[i]!) / total
  return mean
}

/** Joins the two that lie nearest, against how far they may, until none do. */
async function merge(clusters: readonly Cluster[], scale: VoiceScale): Promise<Cluster[]> {
  const count = clusters.length
  const alive: (Cluster | null)[] = [...clusters]
  const gaps = new Float32Array(count * count)
  const nearest = new Int32Array(count).fill(-1)
  const look = (i: number) => {
    nearest[i] = -1
    for (let j = 0; j < count; j++) if (j !== i && alive[j] && (nearest[i]! < 0 || gaps[i * count + j]! < gaps[i * count + nearest[i]!]!)) nearest[i] = j
  }
  for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) gaps[i * count + j] = gaps[j * count + i] = gapOf(alive[i]!, alive[j]!, scale)
  for (let i = 0; i < count; i++) look(i)
  for (let joins = 0; ; joins++) {
    if (joins % joinsAtOnce === 0) await nextTurn()
    let a = -1
    for (let i = 0; i < count; i++) if (alive[i] && nearest[i]! >= 0 && (a < 0 || gaps[i * count + nearest[i]!]! < gaps[a * count + nearest[a]!]!)) a = i
    const b = a < 0 ? -1 : nearest[a]!
    if (b < 0 || gaps[a * count + b]! > 1) return alive.filter((cluster) => cluster !== null)
    const joined = join(alive[a]!, alive[b]!)
    alive[a] = joined
    alive[b] = null
    for (let j = 0; j < count; j++) if (alive[j] && j !== a) gaps[a * count + j] = gaps[j * count + a] = gapOf(joined, alive[j]!, scale)
    for (let j = 0; j < count; j++) {
      if (!alive[j]) continue
      if (j === a || nearest[j] === a || nearest[j] === b) look(j)
      else if (gaps[j * count + a]! < gaps[j * count + nearest[j]!]!) nearest[j] = a
    }
  }
}

/** Over 1: two voices. */
function gapOf(a: Cluster, b: Cluster, { metric, sameVoiceMax, sameWindowMax }: VoiceScale): number {
  // Both metrics in the measure in which deviations add up: 1 - cosine is half the square of a distance.
  const square = (distance: number) => (metric === 'euclidean' ? distance * distance : distance)
  const few = Math.min(1, (1 / a.weight + 1 / b.weight) / 2)
  return square(voiceDistance(a.mean, b.mean, metric)) / (square(sameVoiceMax) + (square(sameWindowMax) - square(sameVoiceMax)) * few)
}

function join(a: Cluster, b: Cluster): Cluster {
  return { mean: meanVoice([a.mean, b.mean], [a.weight, b.weight]), weight: a.weight + b.weight, members: a.members.concat(b.members) }
}
