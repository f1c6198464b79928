import { toUtf8 } from '../../base/bytes.ts'
import { xxh32 } from '../../format/xxh32.ts'

/** A record that may become a point of a map. */
export interface MapCandidate {
  readonly key: string
  readonly version: string
}

/**
 * Of a stream of records the `countMax` whose keys have the smallest hashes, in the order they came: the same ones as long as the collection
 * holds the same keys, and few others when it holds a few more. In memory at most twice as many.
 */
export class MapSample {
  readonly #countMax: number
  #kept: (MapCandidate & { readonly hash: number; readonly place: number })[] = []
  #count = 0

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** Records that came. */
  get count(): number {
    return this.#count
  }

  add(candidate: MapCandidate): void {
    this.#kept.push({ ...candidate, hash: xxh32(toUtf8(candidate.key), 0), place: this.#count++ })
    if (this.#kept.length >= this.#countMax * 2) this.#cut()
  }

  /** In the order they came. */
  take(): MapCandidate[] {
    this.#cut()
    return this.#kept.sort((a, b) => a.place - b.place).map(({ key, version }) => ({ key, version }))
  }

  #cut(): void {
    if (this.#kept.length <= this.#countMax) return
    this.#kept = this.#kept.sort((a, b) => a.hash - b.hash || a.place - b.place).slice(0, this.#countMax)
  }
}

/** The share of records that were added, changed or removed since a map was made: 0 where nothing changed, 1 where everything did. */
export function changedShare(now: readonly MapCandidate[], before: { readonly keys: readonly string[]; readonly versions: readonly string[]; readonly vectorlessCount: number }): number {
  const versions = new Map(before.keys.map((key, i) => [key, before.versions[i]!]))
  const same = now.filter(({ key, version }) => versions.get(key) === version).length
  // Records without a vector are on no map: as many as there were are taken for the same ones.
  const changed = Math.max(before.keys.length - same, now.length - same - before.vectorlessCount)
  return changed / Math.max(1, before.keys.length, now.length - before.vectorlessCount)
}
