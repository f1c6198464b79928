import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../store/memory-store.ts'
import { defaultFilterRules } from '../query/filter.ts'
import { readRows } from '../query/rows.ts'
import { newDatabase, schema } from '../testing.ts'
import { matchesWhere, narrow } from './narrow.ts'
import { selectInOrder } from './select.ts'
import type { Where } from './where.ts'

const word = fc.constantFrom('anchor', 'buoy', 'chain', 'Deck', 'é', '')
const text = fc.array(word, { maxLength: 5 }).map((words) => words.join(' '))
const leaf: fc.Arbitrary<Where> = fc.oneof(
  fc.record({ op: fc.constant('document' as const), test: fc.string({ unit: fc.constantFrom(...'anchor buoy') , maxLength: 6 }).map((part) => ({ matches: (each: string) => each.includes(part), literals: part.length > 0 ? [part] : [] })) }),
  fc.record({ op: fc.constant('document' as const), test: word.map((part) => ({ matches: (each: string) => each.includes(part), literals: [] })) }),
  fc.record({ op: fc.constant('metadata' as const), filter: fc.record({ op: fc.constantFrom('eq' as const, 'ne' as const), key: fc.constantFrom('a', 'b'), value: fc.integer({ min: 0, max: 2 }) }), rules: fc.constant(defaultFilterRules) }),
)
const { where } = fc.letrec<{ where: Where }>((tie) => ({
  where: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.record({ op: fc.constantFrom('and' as const, 'or' as const), parts: fc.array(tie('where'), { maxLength: 3 }) }),
    fc.record({ op: fc.constant('not' as const), part: tie('where') }),
  ),
}))
const record = fc.record({ key: fc.nat({ max: 30 }).map(String), document: fc.option(text), metadata: fc.dictionary(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 2 })) })
const scene = fc.record({ flushed: fc.array(record, { maxLength: 20 }), more: fc.array(record, { maxLength: 10 }), deleted: fc.array(fc.nat({ max: 30 }).map(String), { maxLength: 3 }), where, offset: fc.nat({ max: 5 }), limit: fc.nat({ max: 20 }), keys: fc.option(fc.array(fc.nat({ max: 30 }).map(String), { maxLength: 8 })) })

test('narrow keeps the rows that match, in the order of insertion, in segments and above', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ flushed, more, deleted, where, offset, limit, keys }) => {
      const database = newDatabase(new MemoryStore())
      const collection = await database.create('c', schema())
      const expected = new Map<string, (typeof flushed)[number]>()
      const put = async (records: typeof flushed) => {
        for (const each of records) expected.set(each.key, each)
        if (records.length > 0) await collection.write({ operations: records.map((row) => ({ op: 'put', row })) })
      }
      await put(flushed)
      await collection.flush()
      await put(more)
      for (const key of deleted) expected.delete(key)
      await collection.write({ operations: deleted.map((key) => ({ op: 'delete', key })) })
      const found = await collection.inspect({}, async (snapshot) => {
        const narrowed = await narrow(snapshot, { where, ...(keys && { keys }) }, collection.core.context)
        return readRows(snapshot, await selectInOrder(narrowed, { offset, limit }), { metadata: true, document: true })
      })
      const matching = [...expected.values()].filter((row) => matchesWhere(where, row) && (!keys || keys.includes(row.key)))
      expect(found.map(({ key }) => key)).toEqual(matching.slice(offset, offset + limit).map(({ key }) => key))
      await database.close()
    }),
    { numRuns: 150 },
  )
})
