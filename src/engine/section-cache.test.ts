import { expect, test } from 'vitest'
import { SectionCache } from './section-cache.ts'

test('keeps within its budget, least recently used goes first, one load a name at a time', async () => {
  const cache = new SectionCache(100)
  let loads = 0
  const load = (name: string, size: number) =>
    cache.get(name, async () => {
      loads++
      return { value: name, size }
    })
  await Promise.all([load('a', 40), load('a', 40), load('a', 40)])
  expect(loads).toBe(1)
  await load('b', 40)
  await load('a', 40)
  await load('c', 40)
  expect(cache.sizeBytes).toBe(80)
  expect([cache.peek('a'), cache.peek('b'), cache.peek('c')]).toEqual(['a', undefined, 'c'])
  await load('huge', 1000)
  expect(cache.peek('huge')).toBeUndefined()
  expect(cache.sizeBytes).toBe(80)
})

test('a failed load is not remembered', async () => {
  const cache = new SectionCache(100)
  await expect(cache.get('a', () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
  expect(await cache.get('a', async () => ({ value: 1, size: 1 }))).toBe(1)
})
