import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { FaultyStore } from '../testing/faulty-store.ts'
import { newDatabase, schema } from './testing.ts'

test('a rename keeps id and rows, in every process; the old name is free again', async () => {
  const store = new MemoryStore()
  const [here, there] = [newDatabase(store), newDatabase(store)]
  const collection = await here.create('old', schema())
  await collection.write({ operations: [{ op: 'put', row: { key: 'a' } }] })
  const seen = await there.collection('old')
  await here.rename('old', 'new')
  expect((await here.collection('new')).id).toBe(collection.id)
  expect(await seen.count()).toBe(1)
  await expect(there.collection('old')).rejects.toMatchObject({ kind: 'not-found' })
  expect(await there.byId(collection.id)).toBe(seen)
  expect((await seen.core.open()).name).toBe('new')
  expect(await there.collection('new')).toBe(seen)
  await (await there.collection('new')).write({ operations: [{ op: 'put', row: { key: 'b' } }] })
  expect(await (await here.collection('new')).count()).toBe(2)
  expect((await there.create('old', schema())).id).not.toBe(collection.id)
  await expect(here.rename('new', 'old')).rejects.toMatchObject({ kind: 'conflict' })
  for (const database of [here, there]) await database.close()
})

test('a renamed collection bears no mark that a sweep would drop it for', async () => {
  const store = new MemoryStore()
  const database = newDatabase(store)
  const { id } = await database.create('old', schema())
  await database.rename('old', 'new')
  const marked = []
  for await (const each of database.catalog.marked()) marked.push(each.id)
  expect(marked).not.toContain(id)
  await database.close()
})

test('who died between taking the new name and letting the old one go left two names; renaming again ends that', async () => {
  const store = new MemoryStore()
  const database = newDatabase(store)
  const { id } = await database.create('old', schema())
  await database.catalog.claim('new', id)
  expect([(await database.collection('old')).id, (await database.byId(id)).id]).toEqual([id, id])
  await database.rename('old', 'new')
  await expect(database.collection('old')).rejects.toMatchObject({ kind: 'not-found' })
  expect((await database.collection('new')).id).toBe(id)
  await database.close()
})

test('a rename that finds its collection dropped leaves the new name free', async () => {
  const store = new MemoryStore()
  let isFirst = true
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'put' || key !== 'catalog/new' || !isFirst) return
      isFirst = false
      await newDatabase(store).drop('old')
    },
  }
  await newDatabase(store).create('old', schema())
  const late = newDatabase(new FaultyStore(store, { random: seededRandom(1), hooks }))
  await expect(late.rename('old', 'new')).rejects.toMatchObject({ kind: 'not-found' })
  expect(isFirst).toBe(false)
  expect(await late.catalog.find('new')).toBeNull()
})

test('an id is found whatever its name, until it is dropped', async () => {
  const store = new MemoryStore()
  const [here, there] = [newDatabase(store), newDatabase(store)]
  const { id } = await here.create('c', schema())
  expect((await there.byId(id)).id).toBe(id)
  await here.drop('c')
  const again = await here.create('c', schema())
  await expect(here.byId(id)).rejects.toMatchObject({ kind: 'not-found' })
  await expect(newDatabase(store).byId(id)).rejects.toMatchObject({ kind: 'not-found' })
  expect((await there.byId(again.id)).id).toBe(again.id)
  await expect(here.byId('0'.repeat(26))).rejects.toMatchObject({ kind: 'not-found' })
  for (const database of [here, there]) await database.close()
})
