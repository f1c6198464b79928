import { expect, test } from 'vitest'
import type { Api } from '../../api.ts'
import { RecordingList } from './recording-list.ts'
import type { Recording } from './recording-types.ts'

const never = new AbortController().signal

/** Recordings as the server pages them, and what was asked of it. */
class Shelf {
  readonly recordings: Recording[] = []
  asked: (string | undefined)[] = []

  add(count: number, state = 'done'): void {
    for (let i = 0; i < count; i++) this.recordings.push({ id: String(this.recordings.length).padStart(6, '0'), state } as Recording)
  }

  readonly api = {
    get: async (_path: string, { limit, after }: { limit: number; after?: string }) => {
      this.asked.push(after)
      const rest = this.recordings.filter(({ id }) => after === undefined || id > after)
      const recordings = rest.slice(0, limit)
      return { recordings, ...(rest.length > limit && { next: recordings.at(-1)!.id }) }
    },
  } as unknown as Pick<Api, 'get'>
}

test('the newest of more than a page are among them', async () => {
  const shelf = new Shelf()
  shelf.add(2500)
  const { recordings, hasMore } = await new RecordingList(shelf.api).read(never)
  expect(recordings).toEqual(shelf.recordings)
  expect(hasMore).toBe(false)
})

test('of very many the first ten thousand are read, and more when they are wanted', async () => {
  const shelf = new Shelf()
  shelf.add(10_001)
  const list = new RecordingList(shelf.api)
  const first = await list.read(never)
  expect({ count: first.recordings.length, hasMore: first.hasMore }).toEqual({ count: 10_000, hasMore: true })
  list.extend()
  shelf.asked = []
  expect(await list.read(never)).toEqual({ recordings: shelf.recordings, hasMore: false })
  expect(shelf.asked, 'what is known and done is not read again').toEqual(['009999'])
})

test('pages with something under way and the last are read again, the others once they are forgotten', async () => {
  const shelf = new Shelf()
  shelf.add(1000)
  shelf.add(1, 'stored')
  shelf.add(1999)
  shelf.add(10)
  const list = new RecordingList(shelf.api)
  await list.read(never)
  shelf.asked = []
  shelf.recordings[1000] = { ...shelf.recordings[1000]!, state: 'done' }
  shelf.add(1)
  expect((await list.read(never)).recordings).toEqual(shelf.recordings)
  expect(shelf.asked).toEqual(['000999', '002999'])
  list.forget()
  await list.read(never)
  expect(shelf.asked.length).toBe(6)
})

test('none is shown twice when one before it is gone', async () => {
  const shelf = new Shelf()
  shelf.add(1, 'stored')
  shelf.add(2999)
  const list = new RecordingList(shelf.api)
  await list.read(never)
  shelf.recordings.splice(5, 1)
  expect((await list.read(never)).recordings).toEqual(shelf.recordings)
})

test('what was asked before everything was forgotten is asked again', async () => {
  const shelf = new Shelf()
  shelf.add(1500)
  const list = new RecordingList(shelf.api)
  const before = list.read(never)
  list.forget()
  await before
  shelf.asked = []
  await list.read(never)
  expect(shelf.asked).toEqual([undefined, '000999'])
})
