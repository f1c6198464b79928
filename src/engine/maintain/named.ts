import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { deletesKey } from '../../format/deletes.ts'
import { decodeManifest, manifestKey, type Manifest, type Pin } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import { decodeSnapshot, snapshotKey } from '../../format/snapshot.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import type { LoadedManifest } from '../commit/manifest-object.ts'
import type { CollectionCore } from '../core.ts'
import { isToReplace } from './restore.ts'

const lookAgainMax = 3

/** What a collection must keep: keys below its prefix, and log numbers that snapshots need. */
export interface Named {
  readonly keys: ReadonlySet<string>
  /** First and last, both included. */
  readonly logs: readonly { readonly first: number; readonly last: number }[]
  /** Pins of branches that need nothing of this collection, nor of those that it branched off. */
  readonly idlePins: readonly Pin[]
}

/** The newest manifest of a collection, and everything that it names of that collection's objects. */
export async function readNamed(core: CollectionCore): Promise<{ base: LoadedManifest; named: Named }> {
  const { store } = core.context
  for (let attempt = 1; ; attempt++) {
    const base = await core.readManifest()
    try {
      return { base, named: await namedBy(store, core.id, base.manifest) }
    } catch (error) {
      // Unpinned and swept since the manifest was read, by it or by a branch's, if this process slept; else it is damage.
      if (!isWindlassError(error, 'expired')) throw error
      if (attempt === lookAgainMax) throw new WindlassError('corrupt', `${messageOf(error)}: nothing is swept until it is restored or unpinned`, { ...error.details, cause: error })
    }
  }
}

/**
 * Everything that `manifest`, its snapshots and its branches name of collection `id`.
 *
 * A branch is followed into its own manifest, snapshots and branches: what it names of others only shrinks, so one look is enough
 * (docs/protocol.md, E4). While it has no manifest yet, the snapshot it is made from speaks for it.
 * @throws {WindlassError} `expired` when a pinned object is missing: who does not know what is named must not delete.
 */
export async function namedBy(store: ObjectStore, id: string, manifest: Manifest): Promise<Named> {
  const walk = new Walk(store, id)
  walk.addManifest(id, manifest)
  const idlePins: Pin[] = []
  await walk.addPins(id, manifest, async (pin) => {
    const branch = walk.branch()
    const child = await branch.addBranch(pin)
    if (child && !branch.isForeign()) idlePins.push(pin)
    return child
  })
  return { keys: walk.keys, logs: walk.logs, idlePins }
}

class Walk {
  readonly keys: Set<string>
  readonly logs: { first: number; last: number }[]
  readonly #store: ObjectStore
  readonly #id: string
  /** Collections that were walked through, and those whose objects were mentioned. */
  readonly #visited = new Set<string>()
  readonly #owners = new Set<string>()

  constructor(store: ObjectStore, id: string, found: Pick<Walk, 'keys' | 'logs'> = { keys: new Set(), logs: [] }) {
    this.#store = store
    this.#id = id
    this.keys = found.keys
    this.logs = found.logs
  }

  /** A walk through one branch, that finds for this one too. */
  branch(): Walk {
    return new Walk(this.#store, this.#id, this)
  }

  /** Whether anything was mentioned that lies outside the branch: here, or further up, which is known only through here. */
  isForeign(): boolean {
    return [...this.#owners].some((owner) => !this.#visited.has(owner))
  }

  /** The segments and bitmaps of a manifest that belongs to collection `holder`. */
  addManifest(holder: string, manifest: Manifest): void {
    // Whose log has ended names nothing for itself: only branches keep what it had.
    if (manifest.state !== 'live') return
    for (const { id, owner = holder, deletes } of manifest.segments) {
      this.#add(owner, segmentKey(id))
      if (deletes) this.#add(deletes.owner ?? holder, deletesKey(deletes.id))
    }
  }

  /** @returns null while the branch has no manifest. */
  async addBranch(pin: Pin): Promise<Manifest | null> {
    const key = dataPrefix(pin.id) + manifestKey
    const answer = await this.#store.get(key, { fresh: true })
    if (answer.kind !== 'found') return null
    const child = decodeManifest(answer.bytes, key)
    this.#visited.add(pin.id)
    this.addManifest(pin.id, child)
    // What takes another's place is still to name that one's snapshots.
    if (child.state === 'live' && child.restores) this.#owners.add(child.restores.from)
    await this.addPins(pin.id, child, (each) => this.addBranch(each))
    return child
  }

  /** What the pins of collection `holder` keep. @param follow Walks into a branch; null while that has no manifest. */
  async addPins(holder: string, { pins, state }: Manifest, follow: (pin: Pin) => Promise<Manifest | null>): Promise<void> {
    let isNeeded = state === 'live'
    for (const pin of pins) {
      if (pin.kind !== 'branch') continue
      const child = await follow(pin)
      if (!child) await this.addSnapshot(holder, pin.id)
      else if (isToReplace(holder, child)) isNeeded = true
    }
    if (!isNeeded) return
    for (const { kind, owner = holder, id } of pins) if (kind === 'snapshot') await this.addSnapshot(owner, id)
  }

  /** A snapshot that lies under `holder`, what its manifest names, and the part of the log it needs. */
  async addSnapshot(holder: string, id: string): Promise<void> {
    const key = dataPrefix(holder) + snapshotKey(id)
    const answer = await this.#store.get(key, { fresh: true })
    if (answer.kind !== 'found') {
      throw new WindlassError('expired', `${this.#store.url}: ${key} is missing, although a manifest pins it`, { key })
    }
    const { manifest, seq } = decodeSnapshot(answer.bytes, key)
    this.addManifest(holder, manifest)
    this.#add(holder, snapshotKey(id))
    if (holder !== this.#id) return
    if (seq > manifest.floor) this.logs.push({ first: manifest.floor + 1, last: seq })
  }

  #add(owner: string, key: string): void {
    this.#owners.add(owner)
    if (owner === this.#id) this.keys.add(key)
  }
}
