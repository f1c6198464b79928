import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { CachedCredentials, type AwsCredentials } from './credentials.ts'

const minute = 60_000

/** A clock that a test sets, and an issuer that counts. */
function issuer({ lifeMs = 60 * minute, seed = 1 }: { lifeMs?: number; seed?: number } = {}) {
  const world = { now: 1_000_000, issued: 0, isDown: false, waiting: null as Promise<void> | null }
  const clock = { now: () => world.now, monotonic: () => world.now, sleep: () => Promise.resolve() }
  const load = async (): Promise<AwsCredentials> => {
    const number = ++world.issued
    await world.waiting
    if (world.isDown) throw new Error('down')
    return { accessKeyId: `key-${number}`, secretAccessKey: 's', sessionToken: 't', expiresAt: world.now + lifeMs }
  }
  return { world, credentials: new CachedCredentials(load, { clock, random: seededRandom(seed) }) }
}

describe('credentials that expire', () => {
  test('are kept, and replaced five to six minutes before their end', async () => {
    const { world, credentials } = issuer()
    expect((await credentials.get()).accessKeyId).toBe('key-1')
    world.now += 53.9 * minute
    expect((await credentials.get()).accessKeyId).toBe('key-1')
    world.now += 1.2 * minute
    expect((await credentials.get()).accessKeyId).toBe('key-2')
  })

  test('are asked for once, however many wait', async () => {
    const { world, credentials } = issuer()
    let release = () => {}
    world.waiting = new Promise((resolve) => (release = resolve))
    const waiting = Array.from({ length: 100 }, () => credentials.get())
    release()
    expect(new Set((await Promise.all(waiting)).map(({ accessKeyId }) => accessKeyId))).toEqual(new Set(['key-1']))
    expect(world.issued).toBe(1)
  })

  test('serve until they expire while no others can be had, which is not tried at every request', async () => {
    const { world, credentials } = issuer()
    await credentials.get()
    world.isDown = true
    world.now += 56 * minute
    for (let i = 0; i < 10; i++) expect((await credentials.get()).accessKeyId).toBe('key-1')
    expect(world.issued).toBe(2)
    world.now += minute
    await credentials.get()
    expect(world.issued).toBe(3)
    world.now += 4 * minute
    await expect(credentials.get()).rejects.toThrow('down')
    world.isDown = false
    expect((await credentials.get()).accessKeyId).toBe('key-5')
  })

  test('that are refused are replaced, others are not', async () => {
    const { world, credentials } = issuer()
    await credentials.get()
    credentials.refuse('key-0')
    expect((await credentials.get()).accessKeyId).toBe('key-1')
    credentials.refuse('key-1')
    expect((await credentials.get()).accessKeyId).toBe('key-2')
    expect(world.issued).toBe(2)
  })

  test('of processes that began together are not replaced together', async () => {
    const due = async (seed: number) => {
      const { world, credentials } = issuer({ seed })
      await credentials.get()
      for (let second = 0; ; second++) {
        await credentials.get()
        if (world.issued > 1) return second
        world.now += 1000
      }
    }
    const times = await Promise.all([1, 2, 3, 4, 5].map(due))
    expect(new Set(times).size).toBeGreaterThan(2)
    for (const time of times) expect(time).toBeGreaterThanOrEqual(54 * 60)
  })

  test('that live for less than five minutes are used for half of their time', async () => {
    const { world, credentials } = issuer({ lifeMs: 2 * minute })
    await credentials.get()
    world.now += 59_000
    await credentials.get()
    expect(world.issued).toBe(1)
    world.now += 2000
    await credentials.get()
    expect(world.issued).toBe(2)
  })
})
