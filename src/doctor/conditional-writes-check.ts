import { isWindlassError } from '../base/errors.ts'
import { PrefixStore } from '../store/prefix-store.ts'
import { proveConditionalWrites } from '../store/prove-conditional-writes.ts'
import { ok, problem, type Check } from './check.ts'

/** Whether the store keeps conditional writes, also in a race: all that several writers are promised stands on them. */
export const conditionalWritesCheck: Check = {
  name: 'conditional-writes',
  needs: ['permissions'],
  timeoutMs: 30_000,
  applies: ({ bucket }) => !/^(memory|https?):/i.test(bucket.url),
  async run({ probe, clock, random }) {
    // Below a folder of its own: what was proven before is proven again.
    const own = new PrefixStore(await probe.store(), `${probe.folder}/`)
    try {
      await proveConditionalWrites(own, { clock, random })
      return [ok('conditional writes hold: If-None-Match and If-Match are kept, also in a race')]
    } catch (error) {
      if (!isWindlassError(error, 'unsupported')) throw error
      return [problem(error.message, { why: 'two processes would overwrite each other without a word', mend: 'WINDLASS_BUCKET=s3://…   # in a store that has them; or an update of this one' })]
    } finally {
      const keys: string[] = []
      for await (const { key } of own.list('')) keys.push(key)
      if (keys.length > 0) await own.delete(keys)
    }
  },
}
