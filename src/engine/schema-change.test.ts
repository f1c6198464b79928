import { expect, test } from 'vitest'
import { MemoryStore } from '../store/memory-store.ts'
import { analyzerIdOf } from '../text/analyzer.ts'
import { newDatabase, schema } from './testing.ts'

const withTitle = () => ({ textFields: [...schema().textFields, { field: 'title', analyzer: analyzerIdOf('english') }] })
const keysOf = ({ matches }: { matches: readonly { key: string }[] }) => matches.map(({ key }) => key).sort()

test('a text field that is added later finds old rows and new, in segments and in the log, in every process', async () => {
  const store = new MemoryStore()
  const c = await newDatabase(store).create('c', schema())
  const other = await newDatabase(store).collection('c')
  const put = (key: string, title: string | number) => c.write({ operations: [{ op: 'put', row: { key, metadata: { title } } }] })
  await put('flushed', 'harbour lights')
  await put('number', 7)
  await c.flush()
  await put('logged', 'a harbour at night')
  await expect(c.query({ text: 'harbours', field: 'title' })).rejects.toMatchObject({ kind: 'invalid' })
  const { seq } = await c.write({ operations: [], schema: withTitle })
  expect(seq).toBe((await c.stats()).logSequence)
  await put('later', 'another harbour')
  for (const collection of [c, other, await newDatabase(store).collection('c')]) {
    expect(keysOf(await collection.query({ text: 'harbours', field: 'title' }))).toEqual(['flushed', 'later', 'logged'])
  }
  await c.flush()
  await c.write({ operations: [{ op: 'delete', key: 'flushed' }] })
  for (const collection of [c, other, await newDatabase(store).collection('c')]) {
    expect(keysOf(await collection.query({ text: 'harbours', field: 'title' }))).toEqual(['later', 'logged'])
  }
})

test('what a program keeps of its own changes in one commit, given what it was', async () => {
  const store = new MemoryStore()
  const c = await newDatabase(store).create('c', schema({ custom: { count: 0 } }))
  const other = await newDatabase(store).collection('c')
  const add = (collection: typeof c) => collection.write({ operations: [], schema: ({ custom }) => ({ custom: { count: Number(custom.count) + 1 } }) })
  await Promise.all([add(c), add(other), add(c), add(other), add(c)])
  expect((await c.stats()).schema.custom).toEqual({ count: 5 })
})
