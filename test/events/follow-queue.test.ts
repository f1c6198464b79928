import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { WindlassError } from '../../src/base/errors.ts'
import { EventIntake } from '../../src/vectorize/events/event-intake.ts'
import { followQueue, type FollowQueueOptions } from '../../src/vectorize/events/follow-queue.ts'
import { readEvents } from '../../src/vectorize/events/object-event.ts'
import type { Following, Vectorizer } from '../../src/vectorize/vectorizer.ts'
import { SimClock } from '../../src/testing/sim-clock.ts'
import { followBucket, until, type FollowedBucket } from './followed-bucket.ts'
import { MemoryQueue } from './message-queue.ts'

let bucket: FollowedBucket
let queue: MemoryQueue
let batches: Parameters<NonNullable<FollowQueueOptions['onBatch']>>[0][]
let problems: string[]
/** Waits after trouble are short here. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms === 5000 ? 20 : ms, signal) }

beforeEach(async () => {
  bucket = await followBucket()
  queue = new MemoryQueue(systemClock)
  batches = []
  problems = []
})
afterEach(() => bucket.close())

/** Follows until `done` is. */
async function follow(done: () => boolean | Promise<boolean>, vectorizer: Vectorizer = bucket.vectorizer()): Promise<void> {
  const ending = new AbortController()
  const following = vectorizer.follow((following) =>
    followQueue(queue, new EventIntake(following), { clock, signal: ending.signal, onBatch: (batch) => void batches.push(batch), onProblem: (problem) => void problems.push(problem) }),
  )
  await Promise.race([until(done), following])
  ending.abort()
  await following
}

describe('following a queue', () => {
  test('does what messages tell of, and deletes them', async () => {
    queue.send({ Records: [await bucket.put('a.md', 'Apples.'), await bucket.put('b.md', 'Pears.')] })
    queue.send({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'theirs' })
    queue.send({ Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'another' }, object: { key: 'docs/x.md' } } }] })
    await follow(() => queue.size === 0)
    expect([...(await bucket.inIndex()).keys()]).toEqual(['a.md', 'b.md'])
    queue.send({ Records: [await bucket.remove('a.md')] })
    await follow(() => queue.size === 0)
    expect([...(await bucket.inIndex()).keys()]).toEqual(['b.md'])
    expect(problems).toEqual([])
  })

  test('takes what is there together, and looks once at what several tell of', async () => {
    for (let i = 0; i < 60; i++) queue.send({ Records: [await bucket.put(`${i % 3}.md`, `Text ${i}.`)] })
    await follow(() => queue.size === 0)
    expect(batches.map(({ messages }) => messages)).toEqual([60])
    expect(batches[0]!.report).toMatchObject({ new: 3, failed: 0 })
    expect(bucket.world.s3.requests.filter(({ action }) => action === 's3:GetObject')).toHaveLength(3)
  })

  test('passes over what a later event of the same key has overtaken, without asking the source', async () => {
    const [first, second] = [await bucket.put('a.md', 'One.'), await bucket.put('a.md', 'Two.')]
    queue.send({ Records: [second] })
    await follow(() => queue.size === 0)
    const vectorizer = bucket.vectorizer()
    await vectorizer.follow(async (following) => {
      const intake = new EventIntake(following)
      expect((await intake.apply([readEvents({ Records: [second] })])).report).toMatchObject({ skipped: 0, unchanged: 1 })
      const before = bucket.world.s3.requests.length
      expect((await intake.apply([readEvents({ Records: [first] }), readEvents({ Records: [second] })])).report).toMatchObject({ skipped: 2, unchanged: 0 })
      expect(bucket.world.s3.requests.length).toBe(before)
    })
  })

  test('what fails comes again when it is due, and not before; what only a person can help is done', async () => {
    queue.send({ Records: [await bucket.put('secret/a.md', 'Apples.')] })
    queue.send({ Records: [await bucket.put('b.pdf', '%PDF-1.4 and nothing of one')] })
    queue.send({ Records: [await bucket.put('c.md', 'Pears.')] })
    await follow(() => queue.postponed.length > 0)
    expect(queue.size).toBe(1)
    expect(queue.postponed).toHaveLength(1)
    expect(queue.postponed[0]).toBeGreaterThan(50)
    expect(queue.postponed[0]).toBeLessThanOrEqual(60)
    const failed: string[] = []
    for await (const { path } of bucket.vectorizer().errors()) failed.push(path)
    expect(failed.sort()).toEqual(['b.pdf', 'secret/a.md'])
  })

  test('what failed and comes again is looked at again, though the event is not a new one', async () => {
    const events = readEvents({ Records: [await bucket.put('secret/a.md', 'Apples.')] })
    await bucket.vectorizer().follow(async (following) => {
      const intake = new EventIntake(following)
      for (let i = 0; i < 2; i++) expect(await intake.apply([events])).toMatchObject({ outcomes: [{ isDone: false, retryAt: expect.any(Number) }], report: { failed: 1, skipped: 0 } })
      const role = bucket.world.accounts.roles.find(({ arn }) => arn.endsWith('docs-reader'))!
      ;(role.grants as unknown[]).pop()
      expect(await intake.apply([events])).toMatchObject({ outcomes: [{ isDone: true }], report: { new: 1 } })
    })
  })

  test('leaves what is no event to the rule of the queue for such, and goes on', async () => {
    queue.send('this is no event')
    queue.send({ Records: [await bucket.put('a.md', 'Apples.')] })
    await follow(() => queue.size === 1)
    expect(problems).toEqual([expect.stringContaining('message m1: a message is no JSON')])
    expect([...(await bucket.inIndex()).keys()]).toEqual(['a.md'])
  })

  test('goes on where the queue is not there for a while', async () => {
    queue.trouble = new WindlassError('unavailable', 'no answer')
    queue.send({ Records: [await bucket.put('a.md', 'Apples.')] })
    await follow(async () => {
      if (problems.length > 2) queue.trouble = null
      return queue.size === 0
    })
    expect(problems.slice(0, 3)).toEqual(['no answer', 'no answer', 'no answer'])
  })

  test('ends where the queue refuses it', async () => {
    queue.trouble = new WindlassError('denied', 'may not sqs:ReceiveMessage')
    await expect(follow(() => false)).rejects.toMatchObject({ kind: 'denied' })
  })

  test('keeps messages hidden for as long as it works at them', async () => {
    const time = new SimClock()
    const slow = new MemoryQueue(time)
    let finish = () => {}
    const working = new Promise<void>((resolve) => (finish = resolve))
    const apply = async () => {
      await working
      return { failures: [] } as unknown as Awaited<ReturnType<Following['apply']>>
    }
    slow.send({ Records: [await bucket.put('a.md', 'Apples.')] })
    const ending = new AbortController()
    const following = followQueue(slow, new EventIntake({ apply, locate: () => Promise.resolve('a.md') }), { clock: time, signal: ending.signal })
    await time.advance(1_000_000)
    expect(await slow.receive({ waitSeconds: 0, visibleAfterSeconds: 1 })).toEqual([])
    ending.abort()
    finish()
    await time.advance(1000)
    await following
    expect(slow.size).toBe(0)
  })

  test('tells how long messages have waited', async () => {
    queue.send({ Records: [await bucket.put('a.md', 'Apples.')] })
    await systemClock.sleep(50)
    await follow(() => queue.size === 0)
    expect(batches[0]!.lagMs).toBeGreaterThanOrEqual(49)
  })
})

describe('paths to look at', () => {
  test('two workers that are told of the same: both end, and the last word is what the bucket has', async () => {
    const [one, other] = [bucket.vectorizer(), bucket.vectorizer()]
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 8; i++) await bucket.put(`${i}.md`, `Round ${round} of ${i}.`)
      const all = Array.from({ length: 8 }, (_, i) => `${i}.md`)
      await Promise.all([one.applyPaths(all), other.applyPaths([...all].reverse())])
      for (const [path, text] of await bucket.inIndex()) expect(text).toContain(`Round ${round} of ${path.slice(0, -3)}.`)
    }
    expect((await bucket.inIndex()).size).toBe(8)
  })

  test('what is gone stays where the declaration says so', async () => {
    await bucket.put('a.md', 'Apples.')
    const vectorizer = bucket.vectorizer({ processing: { deleteMissing: false } })
    await vectorizer.applyPaths(['a.md'])
    await bucket.remove('a.md')
    expect(await vectorizer.applyPaths(['a.md'])).toMatchObject({ removed: 0, failed: 0 })
    expect([...(await bucket.inIndex()).keys()]).toEqual(['a.md'])
  })

  test('only those below the prefix, and those that the declaration takes, are of the source', async () => {
    await bucket.put('a.md', 'Apples.')
    const source = { type: 's3' as const, url: 's3://theirs/docs', include: ['*.md'], role: 'arn:aws:iam::222222222222:role/docs-reader', externalId: 'tenant-7/service-3' }
    await bucket.vectorizer({ source }).follow(async ({ locate }) => {
      const places = ['docs/a.md', 'docs/deep/b.md', 'docs/a.txt', 'docs/folder/', 'docs', 'docsx/a.md', 'other/a.md', 'docs/../a.md', '']
      expect(await Promise.all(places.map((key) => locate({ bucket: 'theirs', key })))).toEqual(['a.md', 'deep/b.md', ...Array.from({ length: 7 }, () => null)])
      expect(await locate({ bucket: 'ours', key: 'docs/a.md' })).toBeNull()
    })
  })
})
