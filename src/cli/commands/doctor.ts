import { systemClock } from '../../base/clock.ts'
import { newId, systemRandom } from '../../base/random.ts'
import type { Configuration } from '../../config/configuration.ts'
import { storeSettings } from '../../config/load.ts'
import { openStore } from '../../store/open-store.ts'
import { PrefixStore } from '../../store/prefix-store.ts'
import { proveConditionalWrites } from '../../store/prove-conditional-writes.ts'
import { print } from '../run.ts'

/**
 * `windlass doctor`: writes, reads, lists and deletes in the bucket, and makes sure that it keeps conditional writes; on keys of its
 * own, which are gone afterwards.
 * @throws {WindlassError} what is missing: a key, a permission, a promise of the store.
 */
export async function checkBucket(configuration: Configuration, url: string = configuration.bucket().url): Promise<void> {
  const store = await openStore(url, storeSettings(configuration))
  try {
    const started = systemClock.monotonic()
    const own = new PrefixStore(store, `doctor/${newId(systemClock.now(), systemRandom)}/`)
    try {
      await proveConditionalWrites(own, { clock: systemClock, random: systemRandom })
    } finally {
      const keys: string[] = []
      for await (const { key } of own.list('')) keys.push(key)
      if (keys.length > 0) await own.delete(keys)
    }
    print(`${store.url}: reads, writes, lists and deletes; conditional writes hold (${((systemClock.monotonic() - started) / 1000).toFixed(1)} s)`)
  } finally {
    await store.close?.()
  }
}
