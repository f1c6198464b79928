import { fromUtf8Lenient, toUtf8 } from '../base/bytes.ts'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { ObjectStore, PutCondition } from './object-store.ts'

/** Where the proof is remembered. It names the place, so that a copy of the bucket elsewhere proves again (docs/protocol.md, F2). */
export const proofKey = 'store-proof'

interface Prover {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
}

const racers = 8
// Some stores take one overwrite a second of one key, and refuse more.
const patienceMs = 1100
const patienceMax = 6
const proofs = new WeakMap<ObjectStore, Promise<void>>()

/**
 * Makes sure that the store keeps conditional writes: everything that Windlass promises stands on them.
 * Cheap after the first time: one read a process and store.
 * @throws {WindlassError} `unsupported`, naming what the store did, and what to do.
 */
export function proveConditionalWrites(store: ObjectStore, { clock, random }: { clock: Clock; random: Random }): Promise<void> {
  const known = proofs.get(store)
  if (known) return known
  const proof = proveOrRemember({ store, clock, random })
  proofs.set(store, proof)
  proof.catch(() => proofs.delete(store))
  return proof
}

async function proveOrRemember(prover: Prover): Promise<void> {
  const { store, clock } = prover
  const remembered = await store.get(proofKey, { fresh: true })
  // Asked only now: a server's name is in its answers.
  const place = store.place?.() ?? store.url
  if (remembered.kind === 'found' && placeOf(remembered.bytes) === place) return
  await prove(prover)
  const proof = { formatVersion: 1, place, provenAt: toIsoTime(clock.now()) }
  await store.put(proofKey, toUtf8(`${JSON.stringify(proof)}\n`), { contentType: 'application/json' })
}

async function prove(prover: Prover): Promise<void> {
  const { store, random } = prover
  const key = `${proofKey}-${newNonce(random)}`
  try {
    const first = await put(prover, key, 'first', { ifAbsent: true })
    if (first === null) throw refused(store, 'refuses If-None-Match: * on a key that is not there')
    if ((await put(prover, key, 'second', { ifAbsent: true })) !== null) throw refused(store, 'ignores If-None-Match: * (it created an object twice)')
    const third = await put(prover, key, 'third', { ifMatch: first })
    if (third === null) throw refused(store, 'refuses If-Match with the right etag')
    if ((await put(prover, key, 'fourth', { ifMatch: first })) !== null) throw refused(store, 'ignores If-Match (it replaced an object that had changed)')
    await race(prover, key, third)
  } finally {
    await store.delete([key]).catch(() => undefined)
  }
}

async function race({ store, clock }: Prover, key: string, first: string): Promise<void> {
  let etag = first
  for (let round = 1; ; round++) {
    const attempts = Array.from({ length: racers }, (_, i) => store.put(key, toUtf8(`racer ${i} of round ${round}`), { condition: { ifMatch: etag } }))
    const results = await Promise.allSettled(attempts)
    const winners = results.filter(({ status }) => status === 'fulfilled').length
    if (winners > 1) throw refused(store, `ignores If-Match in a race (${winners} of ${racers} writers won)`)
    if (winners === 1) return
    // Throttled, or the winner's answer was lost: again, from what is there now.
    const failure = results.find((result) => result.status === 'rejected' && !isWindlassError(result.reason, 'conflict'))
    if (round >= patienceMax) throw failure?.status === 'rejected' ? failure.reason : refused(store, `let nobody win a race of ${racers} writers`)
    await clock.sleep(patienceMs)
    const now = await store.get(key, { fresh: true })
    if (now.kind === 'found') etag = now.etag
  }
}

/** The new etag; null when the condition did not hold. Waits where the store wants to be written more slowly. */
async function put({ store, clock }: Prover, key: string, text: string, condition: PutCondition): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await store.put(key, toUtf8(text), { condition })).etag
    } catch (error) {
      if (isWindlassError(error, 'conflict')) return null
      // "Unavailable" had no effect, so it may be repeated; an unknown outcome proves nothing.
      if (!isWindlassError(error, 'unavailable') || attempt >= patienceMax) throw error
      await clock.sleep(Math.max(patienceMs, error.details.retryAfterMs ?? 0))
    }
  }
}

function refused(store: ObjectStore, what: string): WindlassError {
  return new WindlassError('unsupported', `${store.url}: this store ${what}: writes of two processes would overwrite each other; use a store with conditional writes (AWS S3, MinIO, R2, Tigris, versitygw, a directory)`, {
    bucket: store.url,
    operation: 'put',
  })
}

function placeOf(bytes: Uint8Array): string | null {
  try {
    const { place } = JSON.parse(fromUtf8Lenient(bytes)) as { place?: unknown }
    return typeof place === 'string' ? place : null
  } catch {
    return null
  }
}
