import { expect, test } from 'vitest'
import { MemoryStore } from '../../store/memory-store.ts'
import { newDatabase, schema } from '../testing.ts'
import { narrow } from './narrow.ts'
import { selectInOrder } from './select.ts'

test('a literal is looked for in the texts that may have it, not in all', async () => {
  const database = newDatabase(new MemoryStore())
  const collection = await database.create('c', schema())
  const rows = Array.from({ length: 3000 }, (_, i) => ({ key: `k${i}`, document: `ship ${i} carries ${i % 7 === 0 ? 'salted herring' : 'coal'} to port ${i * 7919}` }))
  await collection.write({ operations: rows.map((row) => ({ op: 'put', row })) })
  await collection.flush()
  let testedCount = 0
  const ask = (literal: string) =>
    collection.inspect({}, async (snapshot) => {
      testedCount = 0
      const test = { literals: [literal], matches: (text: string) => (testedCount++, text.includes(literal)) }
      return (await selectInOrder(await narrow(snapshot, { where: { op: 'document', test } }, collection.core.context))).length
    })
  for (const literal of ['herring', 'ship 2999 carries', 'ry', 'coal to port 23757', 'submarine']) {
    expect(await ask(literal), literal).toBe(rows.filter(({ document }) => document.includes(literal)).length)
  }
  await ask('salted herring')
  expect(testedCount).toBeLessThan(500)
  await ask('submarine')
  expect(testedCount).toBeLessThan(50)
  await database.close()
})
