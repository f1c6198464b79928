// The races of docs/protocol.md, G1, by seed: writers that stall between looking and linking, while others write on and remove what
// they looked at. Every put carries who it is and what it replaced, so the history can be checked against what callers were told.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fromUtf8, toUtf8 } from '../base/bytes.ts'
import { isWindlassError } from '../base/errors.ts'
import { seededRandom, type Random } from '../base/random.ts'
import { DirectoryStore } from './directory-store.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-races-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

type Outcome = 'won' | 'lost' | 'unknown'
interface Attempt {
  readonly id: number
  readonly parent: number
  outcome: Outcome | undefined
}

/** What the processes of one test have in common: how many writes were acknowledged, and how many processes still run. */
interface Progress {
  acknowledged: number
  running: number
}

/** A store of a process that stalls now and then: for a moment, or until others have written four times. */
function stalling(folder: string, random: Random, progress: Progress): DirectoryStore {
  const beforeChange = async () => {
    const chance = random.next()
    const until = progress.acknowledged + (chance < 0.15 ? 4 : 0)
    // One always goes on.
    if (progress.running <= 1 || chance > 0.4) return
    progress.running--
    for (let turn = 0; turn < 5 || (progress.acknowledged < until && progress.running > 0); turn++) await new Promise((resolve) => setImmediate(resolve))
    progress.running++
  }
  return new DirectoryStore(folder, { versionsKept: 1, beforeChange })
}

async function valueOf(store: DirectoryStore): Promise<{ id: number; parent: number; etag: string } | null> {
  const answer = await store.get('key')
  return answer.kind === 'found' ? { ...(JSON.parse(fromUtf8(answer.bytes)) as { id: number; parent: number }), etag: answer.etag } : null
}

describe('writers that stall', () => {
  test('compare-and-swap: the history is one chain, winners are on it, losers are not', async () => {
    let unknown = 0
    for (let seed = 0; seed < 12; seed++) {
      const folder = join(scratch, `chain-${seed}`)
      const random = seededRandom(seed)
      const attempts: Attempt[] = []
      const progress: Progress = { acknowledged: 0, running: 5 }
      const write = async (store: DirectoryStore, count: number) => {
        for (let i = 0; i < count; i++) {
          const base = await valueOf(store)
          const attempt: Attempt = { id: attempts.length + 1, parent: base?.id ?? 0, outcome: undefined }
          attempts.push(attempt)
          const bytes = toUtf8(JSON.stringify({ id: attempt.id, parent: attempt.parent }))
          const put = store.put('key', bytes, { condition: base ? { ifMatch: base.etag } : { ifAbsent: true } })
          attempt.outcome = await put.then(() => 'won' as const, outcomeOf)
          if (attempt.outcome === 'won') progress.acknowledged++
        }
        progress.running--
      }
      await Promise.all(Array.from({ length: 5 }, () => write(stalling(folder, random, progress), 14)))
      const chain = new Set<number>()
      const byId = new Map(attempts.map((attempt) => [attempt.id, attempt]))
      for (let id = (await valueOf(new DirectoryStore(folder)))!.id; id !== 0; id = byId.get(id)!.parent) chain.add(id)
      for (const { id, outcome } of attempts) {
        if (outcome === 'won') expect(chain, `seed ${seed}: ${id} was told that it won`).toContain(id)
        if (outcome === 'lost') expect(chain, `seed ${seed}: ${id} was told that it lost`).not.toContain(id)
        if (outcome === 'unknown') unknown++
      }
      expect(chain.size).toBeGreaterThan(10)
    }
    // Else nobody stalled long enough, and the test tests nothing.
    expect(unknown).toBeGreaterThan(0)
  })

  test('creations and deletions: of those who create what is absent, one wins until it is deleted', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = seededRandom(100 + seed)
      const folder = join(scratch, `create-${seed}`)
      const progress: Progress = { acknowledged: 0, running: 4 }
      let [created, deleted] = [0, 0]
      const work = async (store: DirectoryStore) => {
        for (let i = 0; i < 12; i++) {
          if (random.next() < 0.5) {
            const outcome = await store.put('key', toUtf8('{"id":0}'), { condition: { ifAbsent: true } }).then(() => 'won', outcomeOf)
            if (outcome !== 'lost') created++
          } else {
            await store.delete(['key'])
            deleted++
          }
          progress.acknowledged++
          const base = await store.head('key')
          if (base && random.next() < 0.3) await store.put('key', toUtf8('{"id":1}'), { condition: { ifMatch: base.etag } }).catch(outcomeOf)
        }
        progress.running--
      }
      await Promise.all(Array.from({ length: 4 }, () => work(stalling(folder, random, progress))))
      expect(created).toBeGreaterThan(0)
      expect(created).toBeLessThanOrEqual(deleted + 1)
      const store = new DirectoryStore(folder)
      await store.delete(['key'])
      expect((await store.get('key')).kind).toBe('absent')
      await store.put('key', toUtf8('last'), { condition: { ifAbsent: true } })
      expect((await store.get('key')).kind).toBe('found')
    }
  })

  test('a reader is never told "unchanged" of what was replaced before it asked', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const folder = join(scratch, `stale-${seed}`)
      const writer = new DirectoryStore(folder, { versionsKept: 1 })
      const reader = new DirectoryStore(folder)
      let { etag } = await writer.put('key', toUtf8('0'))
      let isDone = false
      const writing = (async () => {
        for (let i = 1; i <= 60; i++) ({ etag } = await writer.put('key', toUtf8(String(i)), { condition: { ifMatch: etag } }))
        isDone = true
      })()
      const seen = new Set<string>()
      while (!isDone) {
        // What was acknowledged before the question is what "unchanged" may be said of, or something newer than it.
        const asked = [...seen, etag]
        seen.add(etag)
        for (const old of asked) {
          const current = etag
          const answer = await reader.get('key', { ifNoneMatch: old })
          if (old !== current) expect(answer.kind, `seed ${seed}`).toBe('found')
        }
      }
      await writing
    }
  })
})

test('bytes and etag of an answer belong together, though the file is replaced by another of its size', async () => {
  const store = new DirectoryStore(join(scratch, 'pairs'))
  const written = new Map<string, string>()
  let isDone = false
  const writing = (async () => {
    for (let i = 100; i < 500; i++) {
      const { etag } = await store.put('key', toUtf8(String(i)), { condition: { ifAbsent: true } })
      expect(written.has(etag)).toBe(false)
      written.set(etag, String(i))
      await store.delete(['key'])
    }
    isDone = true
  })()
  const pairs: [string, string][] = []
  const read = async () => {
    while (!isDone) {
      const answer = await store.get('key')
      if (answer.kind === 'found') pairs.push([answer.etag, fromUtf8(answer.bytes)])
    }
  }
  await Promise.all([writing, read(), read(), read()])
  expect(pairs.length).toBeGreaterThan(0)
  for (const [etag, value] of pairs) expect(value).toBe(written.get(etag))
})

function outcomeOf(error: unknown): Outcome {
  if (isWindlassError(error, 'conflict')) return 'lost'
  if (isWindlassError(error, 'outcome-unknown')) return 'unknown'
  throw error
}
