// A writer that is stopped (SIGSTOP) while others flush, merge and sweep past the grace period, and then woken: it loses nothing of
// what it was told is safe, and damages nothing. The grace period is a few seconds here, so that it passes.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { isWindlassError, open } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import { exited, wait } from './processes.ts'

const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-frozen-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

// S3 servers tell the time in whole seconds, so a quarter of the period must be more than that.
const graceMs = bucketUrl ? 12_000 : 3000
const rounds = Number(process.env.WINDLASS_FREEZE_ROUNDS ?? 1)

/** A read must be done in a quarter of the grace period, which is short here: a busy machine may need several. */
async function patiently<Value>(read: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read()
    } catch (error) {
      if (attempt === 20 || !isWindlassError(error, 'unavailable', 'expired')) throw error
      await wait(1000)
    }
  }
}

test(`a writer frozen across sweeps, ${rounds} times`, { timeout: 60_000 + rounds * 300_000 }, async () => {
  const url = bucketUrl ? `${bucketUrl}/frozen-${process.pid}` : `file:${join(scratch, 'bucket')}`
  const engine = { graceMs, historyMs: graceMs, refreshIntervalMs: graceMs / 8 }
  const bucket = await open(url, { engine })
  const collection = await bucket.createCollection('c', { dimension: 2 })
  const acknowledged = new Set<string>()
  const unknown = new Set<string>()
  const start = (name: string) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'frozen-writer.ts'), url, name, String(graceMs)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let rest = ''
    child.stdout.on('data', (part) => {
      const lines = (rest + String(part)).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [outcome, key] = line.split(' ')
        if (outcome === 'acknowledged') acknowledged.add(key!)
        if (outcome === 'unknown') unknown.add(key!)
      }
    })
    return child
  }
  const writers = ['a', 'b'].map(start)
  const [frozen] = writers
  const store = await openStore(url)
  const logPrefix = `data/${collection.id}/log/`
  /** The lowest log number that there still is: those below have been swept, by whichever process. */
  const firstLog = async () => {
    for await (const { key } of store.list(logPrefix)) return Number(key.slice(logPrefix.length))
    return Infinity
  }
  try {
    const told = (name: string) => [...acknowledged, ...unknown].filter((key) => key.startsWith(`${name}-`)).length
    // Starting takes long on a busy machine; who has written nothing yet is frozen in nothing.
    await vi.waitFor(() => expect(Math.min(told('a'), told('b'))).toBeGreaterThan(2), { timeout: 120_000, interval: 100 })
    for (let round = 0; round < rounds; round++) {
      await wait(Math.random() * 300)
      frozen!.kill('SIGSTOP')
      const { logSequence: frozenAt } = await patiently(() => collection.stats())
      // Until log numbers that the frozen one has not seen are flushed and swept.
      const end = Date.now() + graceMs * 4
      const giveUp = end + 240_000
      while (Date.now() < end || (Date.now() < giveUp && (await firstLog()) <= frozenAt + 2)) {
        await wait(400)
        try {
          await collection.put([{ key: `lead-${round}-${Date.now()}`, vector: [1, 1] }])
          await collection.flush()
          await collection.sweep()
        } catch (error) {
          // A busy machine is slower than so short a period allows.
          if (!isWindlassError(error, 'unavailable', 'outcome-unknown', 'expired')) throw error
        }
      }
      expect(await firstLog(), 'numbers that the frozen one would take are swept').toBeGreaterThan(frozenAt + 2)
      frozen!.kill('SIGCONT')
      await wait(1500)
    }
    for (const writer of writers) writer.kill('SIGTERM')
    await Promise.all(writers.map(exited))
    expect(writers.map(({ exitCode }) => exitCode)).toEqual([0, 0])
    const present: string[] = []
    for (let after: string | undefined; ; ) {
      const { rows, next } = await patiently(() => collection.list({ limit: 1000, ...(after !== undefined && { after }) }))
      present.push(...rows.map(({ key }) => key))
      if (next === undefined) break
      after = next
    }
    const found = new Set(present)
    expect(found.size).toBe(present.length)
    expect([...acknowledged].filter((key) => !found.has(key))).toEqual([])
    expect([...found].filter((key) => !key.startsWith('lead') && !acknowledged.has(key) && !unknown.has(key)), 'what was refused is not there').toEqual([])
    expect((await patiently(() => bucket.verify('c'))).problems).toEqual([])
    console.log(`${acknowledged.size} acknowledged, ${unknown.size} unknown, log swept up to ${await firstLog()}`)
  } finally {
    for (const writer of writers) writer.kill('SIGKILL')
    await bucket.close()
  }
})
