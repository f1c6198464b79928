import { toIsoTime } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { newId } from '../../base/random.ts'
import type { Manifest, Pin } from '../../format/manifest.ts'
import { decodeSnapshot, encodeSnapshot, snapshotKey, type Snapshot } from '../../format/snapshot.ts'
import type { LoadedManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { checkUnswept, findPastIn, type Past } from './past.ts'

const attemptsMax = 8

/** A snapshot as it is listed. */
export interface SnapshotInfo {
  readonly name: string
  /** Log number of the last commit it holds. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/**
 * Makes a snapshot: an object that holds the manifest and the log number, made real by a manifest put that pins it. The put fails if
 * anything was swept since the manifest was read, so a snapshotter may sleep anywhere (docs/protocol.md, E1, E2).
 */
export async function createSnapshot(core: CollectionCore, name: string, past?: Past): Promise<SnapshotInfo> {
  if (name === '') throw new WindlassError('invalid', 'a snapshot needs a name', { path: 'name' })
  const pin = await addPin(core, 'snapshot', name, async () => newId(core.context.clock.now(), core.context.random), (base) => pinnable(core, base, past))
  return infoOf(pin)
}

/**
 * Pins what `choose` finds in the newest manifest: puts the snapshot object, then the manifest with the pin, until that holds.
 * @throws {WindlassError} `not-found` when the log has ended.
 * @param newPinId Called for each attempt: an object that a sweep may have seen is not used again.
 */
export async function addPin(
  core: CollectionCore,
  kind: Pin['kind'],
  name: string,
  newPinId: () => Promise<string>,
  choose: (base: LoadedManifest) => Promise<Pick<Snapshot, 'manifest' | 'seq'>>,
): Promise<Pin & { readonly snapshot: Snapshot }> {
  const { store, clock, random } = core.context
  const tried: (Pin & { readonly snapshot: Snapshot })[] = []
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const pinned = await core.manifestLane.run(async () => {
      await core.paceManifest()
      await core.reload()
      const { loaded: base } = await core.open()
      // The log after the manifest: when it has not ended, and the put holds, whoever ends it finds the pin (docs/protocol.md, E3).
      await core.refresh()
      // A try that seemed lost may have arrived later.
      const arrived = tried.find((pin) => base.manifest.pins.some(({ id }) => id === pin.id))
      if (arrived) return arrived
      // Also of a snapshot: what has ended may be kept by others only as long as they see a branch that needs it (E4).
      core.assertLive(await core.open())
      if (kind === 'snapshot' && findPin(base.manifest, name)) throw new WindlassError('conflict', `collection ${JSON.stringify(base.manifest.name)} has a snapshot ${JSON.stringify(name)}: delete it first, or choose another name`, { path: 'name' })
      const { manifest, seq } = await choose(base)
      const id = await newPinId()
      const snapshot: Snapshot = { formatVersion: 1, needs: [], id, seq, manifest: { ...manifest, pins: [], pastNonces: [] } }
      await store.put(core.prefix + snapshotKey(id), encodeSnapshot(snapshot))
      const pin: Pin = { name, id, seq, kind, createdAt: clock.now() }
      const { isDone } = await replaceManifest(core, base, { pins: [...base.manifest.pins, pin] })
      tried.push({ ...pin, snapshot })
      return isDone ? { ...pin, snapshot } : null
    })
    if (pinned) return pinned
    await clock.sleep(random.next() * 50 * 2 ** attempt)
  }
  throw new WindlassError('unavailable', `the manifest of ${core.id} was replaced by others ${attemptsMax} times: try again`, { key: core.prefix, retryAfterMs: 2000 })
}

/** What a snapshot of now, or of then, is made of. */
async function pinnable(core: CollectionCore, base: LoadedManifest, past: Past | undefined): Promise<Pick<Snapshot, 'manifest' | 'seq'>> {
  if (!past) return { manifest: base.manifest, seq: (await core.open()).seq }
  const found = await findPastIn(core, base.manifest, past)
  await checkUnswept(core, base.manifest, found)
  return found
}

export async function listSnapshots(core: CollectionCore): Promise<SnapshotInfo[]> {
  const { manifest } = await core.readManifest()
  return manifest.pins.filter(({ kind }) => kind === 'snapshot').map(infoOf)
}

/** Unpins, until that holds; the object goes with a later sweep. */
export async function deleteSnapshot(core: CollectionCore, name: string): Promise<void> {
  const { clock, random } = core.context
  let first: Pin | null = null
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const isDone = await core.manifestLane.run(async () => {
      await core.paceManifest()
      const base = await core.readManifest()
      const { pins } = base.manifest
      // A try that seemed lost may have arrived later.
      if (first && !pins.some(({ id }) => id === first!.id)) return true
      const pin = (first ??= requirePin(base.manifest, name))
      // As for a pin: whose log has ended unpins nothing any more.
      await core.refresh()
      core.assertLive(await core.open())
      return (await replaceManifest(core, base, { pins: pins.filter(({ id }) => id !== pin.id) })).isDone
    })
    if (isDone) return
    await clock.sleep(random.next() * 50 * 2 ** attempt)
  }
  throw new WindlassError('unavailable', `the manifest of ${core.id} was replaced by others ${attemptsMax} times: try again`, { key: core.prefix, retryAfterMs: 2000 })
}

/** The stored snapshot of a name, and the collection it lies under: a restored one keeps the snapshots of the one before. */
export async function loadSnapshot(core: CollectionCore, name: string): Promise<{ holder: CollectionCore; snapshot: Snapshot }> {
  for (let before: Pin | null = null; ; ) {
    const { manifest } = await core.readManifest()
    const pin = requirePin(manifest, name)
    const holder = pin.owner === undefined || pin.owner === core.id ? core : core.sibling(pin.owner)
    const key = holder.prefix + snapshotKey(pin.id)
    const answer = await core.context.store.get(key, { fresh: true })
    if (answer.kind === 'found') return { holder, snapshot: decodeSnapshot(answer.bytes, key) }
    if (manifest.state !== 'live') throw new WindlassError('not-found', `collection ${JSON.stringify(manifest.name)} (${core.id}) was dropped`, { key: core.prefix })
    // Deleted and swept since the manifest was read, if this process slept.
    if (before?.id === pin.id) throw new WindlassError('corrupt', `${core.context.store.url}: ${key} is missing, although the manifest pins it as ${JSON.stringify(name)} of ${toIsoTime(pin.createdAt)}`, { key })
    before = pin
  }
}

function findPin({ pins }: Manifest, name: string): Pin | undefined {
  return pins.find((pin) => pin.kind === 'snapshot' && pin.name === name)
}

export function requirePin(manifest: Manifest, name: string): Pin {
  const pin = findPin(manifest, name)
  if (pin) return pin
  throw new WindlassError('not-found', `collection ${JSON.stringify(manifest.name)} has no snapshot ${JSON.stringify(name)}`, { path: 'snapshot' })
}

function infoOf({ name, seq, createdAt }: Pin): SnapshotInfo {
  return { name, seq, createdAt }
}
