import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { EventIntake } from '../../src/vectorize/events/event-intake.ts'
import { readEvents } from '../../src/vectorize/events/object-event.ts'
import { followBucket } from './followed-bucket.ts'

const paths = ['a.md', 'with space.md', 'plus+and%2B.md', 'für/✓.md', 'deep/..hidden..md', 'a..b/c.md', '100%.md', "it's (1)!.md", 'a&b=c?d#e.md']
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), path: fc.constantFrom(...paths), text: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), path: fc.constantFrom(...paths), name: fc.constantFrom('ObjectRemoved:Delete', 'ObjectRemoved:DeleteMarkerCreated', 'LifecycleExpiration:Delete') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 4 }) }) },
)

// The law: whatever is delivered in whatever order, and twice, the index holds what the bucket holds once the last of each was delivered;
// and what was never delivered is found by the next listing.
test('events out of order, twice and missing: the end state equals the bucket', async () => {
  let delivered = 0
  let dropped = 0
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 25 }), fc.integer(), fc.boolean(), async (changes, seed, mayDrop) => {
      const bucket = await followBucket()
      try {
        const random = seededRandom(seed)
        await bucket.world.write('docs/zz-always.md', 'There is always one.')
        const vectorizer = bucket.vectorizer()
        await vectorizer.run()
        const pending: object[] = []
        await vectorizer.follow(async (following) => {
          const intake = new EventIntake(following)
          const deliver = async (count: number) => {
            const batch = Array.from({ length: Math.min(count, pending.length) }, () => {
              const [record] = pending.splice(Math.floor(random.next() * pending.length), 1)
              // At least once: some come again later.
              if (random.next() < 0.3) pending.push(record!)
              return readEvents({ Records: random.next() < 0.2 ? [record, record] : [record] })
            })
            delivered += batch.length
            const { outcomes } = await intake.apply(batch)
            expect(outcomes).toEqual(batch.map(() => ({ isDone: true })))
          }
          for (const each of changes) {
            if (each.kind === 'put') pending.push(await bucket.put(each.path, `# Title\n\nText ${each.text} of ${each.path}.`))
            else if (each.kind === 'remove') pending.push(await bucket.remove(each.path, each.name))
            else await deliver(each.count)
            if (mayDrop && random.next() < 0.2) dropped += pending.splice(0, 1).length
          }
          while (pending.length > 0) await deliver(3)
        })
        if (mayDrop) await vectorizer.run()
        expect([...(await bucket.inIndex()).keys()]).toEqual([...(await bucket.inBucket()).keys()])
        for (const [path, text] of await bucket.inBucket()) expect((await bucket.inIndex()).get(path), path).toContain(text.split('\n').at(-1))
        // Nothing is left to do for who lists.
        expect(await vectorizer.run()).toMatchObject({ new: 0, changed: 0, removed: 0, failed: 0, bytesRead: 0 })
      } finally {
        await bucket.close()
      }
    }),
    { numRuns: 40 },
  )
  expect(delivered).toBeGreaterThan(100)
  expect(dropped).toBeGreaterThan(5)
}, 180_000)
