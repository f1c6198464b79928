import { chunksOf } from '../../base/groups.ts'
import type { Destination, HeldDocument, Reference } from '../destinations/destination.ts'
import type { FileState } from '../state/file-state.ts'
import type { PathState, SyncState } from '../state/sync-state.ts'
import type { Peers } from './peers.ts'

const lookAtOnce = 500
/** Documents done so shortly before a destination was listed may be missing in the listing although they are there. */
const settlingMs = 60_000

/** How a destination differs from the state. */
export interface Drift {
  /** Held, and not known: left by a worker that was killed, or put there by somebody else under our name. */
  readonly extra: HeldDocument[]
  /** Known to be held, and not there, or with other content. */
  readonly missing: string[]
}

/** Compares what a destination holds with what the state says. What a live worker is busy with is left out. @param options.worker Who asks, if it is one. */
export async function findDrift(destination: Destination, state: SyncState, { peers, now, worker, signal }: { peers: Peers; now: number; worker?: string; signal?: AbortSignal }): Promise<Drift> {
  const held: HeldDocument[] = []
  // Every worker shows itself before it stores anything.
  const isAlone = async () => {
    await peers.look({ isForced: true })
    return peers.live().every(({ id }) => id === worker)
  }
  for await (const document of destination.list({ isAlone, ...(signal && { signal }) })) held.push(document)
  // Read after the listing: whatever was put there before it was claimed before, and is either claimed still, or in the state.
  await peers.look({ isForced: true })
  const extra: HeldDocument[] = []
  const right = new Set<string>()
  for (const part of chunksOf(held, lookAtOnce)) {
    const known = await state.look(part.map(({ path }) => path))
    part.forEach((document, i) => {
      const seen = known[i]!
      if (isBusy(seen, peers)) right.add(document.path)
      else if (agrees(document, seen.file?.value ?? null, destination.name)) right.add(document.path)
      else if (!isNamed(document, seen.file?.value ?? null, destination.name)) extra.push(document)
    })
  }
  const missing: string[] = []
  for await (const { value } of state.all()) {
    if (value.references[destination.name] !== undefined && !right.has(value.path) && value.vectorizedAt < now - settlingMs) missing.push(value.path)
  }
  return { extra, missing }
}

/** Removes what is extra, and lets the next scan find what is missing. @returns how much was put right. */
export async function repairDrift(destination: Destination, { extra, missing }: Drift, state: SyncState): Promise<number> {
  for (const { path, reference } of extra) await destination.remove(path, reference)
  for (const path of missing) await state.update(path, (file) => withoutReference(file, destination.name))
  return extra.length + missing.length
}

function withoutReference(file: FileState, name: string): FileState {
  return { ...file, references: Object.fromEntries(Object.entries(file.references).filter(([each]) => each !== name)) }
}

function isBusy({ claim }: PathState, peers: Peers): boolean {
  return claim !== null && !peers.isDead(claim.value.worker)
}

function agrees(held: HeldDocument, file: FileState | null, name: string): boolean {
  return isNamed(held, file, name) && (held.sha256 === undefined || file!.failure !== undefined || held.sha256 === file!.sha256)
}

/** Whether the state knows of this very object. */
function isNamed({ reference }: HeldDocument, file: FileState | null, name: string): boolean {
  const known = file?.references[name]
  return known !== undefined && sameReference(known, reference)
}

function sameReference(a: Reference, b: Reference): boolean {
  const canonical = (reference: Reference) => JSON.stringify(Object.entries(reference).sort(([x], [y]) => (x < y ? -1 : 1)))
  return canonical(a) === canonical(b)
}
