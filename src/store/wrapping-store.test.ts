import { describe, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import { FaultyStore } from '../testing/faulty-store.ts'
import { testObjectStore } from '../testing/store-conformance.ts'
import { CoalescingStore } from './coalescing-store.ts'
import { CountingStore } from './counting-store.ts'
import { HedgingStore } from './hedging-store.ts'
import { ListingAbsenceStore } from './listing-absence-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import { PrefixStore } from './prefix-store.ts'
import { RetryingStore } from './retrying-store.ts'

const wrappers: Record<string, (inner: ObjectStore) => ObjectStore> = {
  CoalescingStore: (inner) => new CoalescingStore(inner),
  CountingStore: (inner) => new CountingStore(inner),
  'FaultyStore without faults': (inner) => new FaultyStore(inner, { random: seededRandom(1) }),
  HedgingStore: (inner) => new HedgingStore(inner, { clock: systemClock }),
  ListingAbsenceStore: (inner) => new ListingAbsenceStore(inner, { random: systemRandom }),
  PrefixStore: (inner) => new PrefixStore(inner, 'a prefix/of two/'),
  RetryingStore: (inner) => new RetryingStore(inner, { clock: systemClock, random: systemRandom }),
}
const shortened = { 'a key that cannot be is refused by name': 'the empty key and the longest are other keys below a prefix' }

for (const [name, wrap] of Object.entries(wrappers)) {
  describe(`${name} keeps every promise of what it wraps`, () => testObjectStore(test, async () => wrap(new MemoryStore()), name === 'PrefixStore' ? { skip: shortened } : {}))
}
