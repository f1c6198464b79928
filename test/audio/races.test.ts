// What happens to a recording while somebody else is at it: removals, names and new beginnings at the worst moment, which the store is watched for.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { OpenAiTranscriber } from '../../src/audio/openai-transcriber.ts'
import { encodeJson, type Recording } from '../../src/audio/recording.ts'
import { encodeWav } from '../../src/audio/wav.ts'
import { systemClock } from '../../src/base/clock.ts'
import { newId, systemRandom } from '../../src/base/random.ts'
import { open, type AudioHandle, type AudioOptions, type Bucket } from '../../src/index.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { startTranscription, type TranscriptionDouble } from '../doubles/transcription.ts'
import { converse, voices } from './voices.ts'

const meeting = encodeWav(converse([{ voice: voices.dana, seconds: 6, pause: 1 }, { voice: voices.omer, seconds: 5, pause: 0.8 }]).samples)

let count = 0
let url: string
let scratch: string
let bucket: Bucket
let server: TranscriptionDouble
let wait = 0
beforeEach(async () => {
  url = `memory:audio-races-${++count}`
  scratch = mkdtempSync(join(tmpdir(), 'windlass-audio-races-'))
  wait = 0
  bucket = await open(url, { clock: { ...systemClock, monotonic: () => wait } })
  server = await startTranscription(({ seconds }) => ({ text: seconds > 5.5 ? 'The northern budget is spent.' : 'Nobody ordered the machine.' }))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await bucket.close()
  await server.close()
  expect(readdirSync(scratch)).toEqual([])
  rmSync(scratch, { recursive: true })
})

const withServer = (onEvent: NonNullable<AudioOptions['onEvent']> = () => undefined): AudioOptions => ({ onEvent, scratch: { folder: scratch, budgetBytes: 1e8 }, parts: async () => ({ transcriber: new OpenAiTranscriber({ model: 'whisper-1', baseUrl: server.url }, { clock: systemClock, random: systemRandom }) }) })
const add = (audio: AudioHandle, bytes = meeting) => audio.add({ name: 'meeting.wav', contentType: 'audio/wav', bytes: (async function* () { yield bytes })() })
const keys = async (prefix = 'audio/') => {
  const found: string[] = []
  for await (const { key } of (await openStore(url)).list(prefix)) found.push(key)
  return found
}

/** Lets something happen, once, before the store gets a request. @returns whether it has. */
function before(method: 'put' | 'delete', matches: (key: string) => boolean, act: () => Promise<unknown>): () => boolean {
  let isDone = false
  const watch = async (asked: string | readonly string[]) => {
    if (isDone || ![asked].flat().some((key) => matches(key))) return
    isDone = true
    await act()
  }
  const { put, delete: remove } = MemoryStore.prototype
  if (method === 'put') {
    vi.spyOn(MemoryStore.prototype, 'put').mockImplementation(async function (this: MemoryStore, ...request) {
      await watch(request[0])
      return put.apply(this, request)
    })
  } else {
    vi.spyOn(MemoryStore.prototype, 'delete').mockImplementation(async function (this: MemoryStore, ...request) {
      await watch(request[0])
      return remove.apply(this, request)
    })
  }
  return () => isDone
}

describe('removed', () => {
  test('just before its passages are written', async () => {
    let state = ''
    const audio = await bucket.audio(withServer((event) => (state = event.state)))
    const { id } = await add(audio)
    const isDone = before('put', (key) => state === 'cut' && !key.startsWith('audio/'), () => audio.remove(id))
    await expect(audio.finish(id)).rejects.toMatchObject({ kind: 'not-found' })
    expect(isDone()).toBe(true)
    expect(await audio.search('budget')).toEqual([])
    expect(await keys()).toEqual([])
  })

  test('while it is finished in between', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await add(audio)
    const isDone = before('delete', (key) => key.endsWith('/source'), () => audio.finish(id))
    await audio.remove(id)
    expect(isDone()).toBe(true)
    expect(await audio.search('budget')).toEqual([])
    expect(await keys()).toEqual([])
  })

  test('after it was begun anew, and where nothing can be worked on: the voices named in it are forgotten', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await audio.finish((await add(audio)).id)
    await audio.name(id, 'speaker-1', 'Dana')
    const another = await bucket.getOrCreateCollection('.audio.voices.another', { dimension: 2 })
    await another.put([{ key: `${id}/speaker-1`, vector: [1, 0], metadata: { name: 'Dana', recording: id } }, { key: 'other/speaker-1', vector: [0, 1], metadata: { name: 'Omer', recording: 'other' } }])
    await audio.again(id)
    const broken = await bucket.audio({ parts: async () => { throw new Error('no such model') } })
    await broken.remove(id)
    expect((await another.query({ vector: [1, 0], k: 5 })).matches.map(({ key }) => key)).toEqual(['other/speaker-1'])
    const { speakers } = await audio.finish((await add(audio)).id)
    expect(speakers.map(({ name }) => name)).toEqual([undefined, undefined])
  })

  test('before a client has sent it: what comes all the same is removed after a day', async () => {
    const store = await openStore(url)
    const audio = await bucket.audio(withServer())
    const [fresh, old] = [uploading(Date.now()), uploading(Date.now() - 25 * 3_600_000)]
    for (const recording of [fresh, old]) {
      await store.put(`audio/pending/${recording.id}`, new Uint8Array(0))
      await store.put(`audio/recordings/${recording.id}/recording.json`, encodeJson(recording))
      await audio.remove(recording.id)
      await store.put(`audio/recordings/${recording.id}/source`, meeting)
    }
    expect(await audio.work()).toEqual([])
    expect(await keys()).toEqual([`audio/pending/${fresh.id}`, `audio/recordings/${fresh.id}/source`])
  })
})

function uploading(ms: number): Recording {
  const time = new Date(ms).toISOString()
  return { formatVersion: 1, id: newId(ms, systemRandom), name: 'x.wav', contentType: 'audio/wav', sizeBytes: 0, state: 'uploading', createdAt: time, updatedAt: time, speakers: [] }
}

describe('begun anew', () => {
  test('by somebody while the worker says that it is done: it is worked on', async () => {
    let state = ''
    const audio = await bucket.audio(withServer((event) => (state = event.state)))
    const { id } = await add(audio)
    const isDone = before('delete', (key) => state === 'done' && key === `audio/pending/${id}`, () => audio.again(id))
    await audio.finish(id)
    expect(isDone()).toBe(true)
    expect((await audio.get(id)).state).toBe('stored')
    expect((await audio.work()).map(({ recording }) => recording?.state)).toEqual(['done'])
    expect(await keys('audio/pending/')).toEqual([])
  })

  test('and settled by a worker in the middle of that', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await audio.finish((await add(audio)).id)
    const isDone = before('delete', (key) => key.endsWith('/transcript.json'), () => audio.finish(id))
    await audio.again(id)
    expect(isDone()).toBe(true)
    expect((await audio.work()).map(({ recording }) => recording?.id)).toEqual([id])
  })

  test('without a transcriber: what was said is not found any more, and no snippet is left of who is not there', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await audio.finish((await add(audio)).id)
    expect(await audio.search('budget')).not.toEqual([])
    await (await openStore(url)).put(`audio/recordings/${id}/snippets/speaker-7.wav`, meeting)
    const plain = await bucket.audio({ scratch: { folder: scratch, budgetBytes: 1e8 } })
    await plain.again(id)
    expect(await plain.finish(id)).toMatchObject({ state: 'done', chunkCount: 0 })
    expect(await plain.search('budget')).toEqual([])
    expect(await keys(`audio/recordings/${id}/snippets/`)).toEqual([1, 2].map((number) => `audio/recordings/${id}/snippets/speaker-${number}.wav`))
  })

  test('a recording that is said twice to have arrived is not, once it is done', async () => {
    const store = await openStore(url)
    const audio = await bucket.audio(withServer())
    const recording = uploading(Date.now())
    const { id } = recording
    await store.put(`audio/pending/${id}`, new Uint8Array(0))
    await store.put(`audio/recordings/${id}/source`, meeting)
    await store.put(`audio/recordings/${id}/recording.json`, encodeJson(recording))
    const isDone = before('put', (key) => key.endsWith('/recording.json'), async () => {
      await audio.completeUpload(id)
      await audio.finish(id)
    })
    expect((await audio.completeUpload(id)).state).toBe('done')
    expect(isDone()).toBe(true)
    expect((await audio.get(id)).state).toBe('done')
  })
})

test('named while its snippets are cut: it goes on, and keeps the name', async () => {
  const audio = await bucket.audio(withServer())
  const { id } = await add(audio)
  const isDone = before('put', (key) => key.endsWith('/snippets/speaker-1.wav'), () => audio.name(id, 'speaker-1', 'Dana'))
  expect(await audio.finish(id)).toMatchObject({ state: 'done', speakers: [{ name: 'Dana' }, { id: 'speaker-2' }] })
  expect(isDone()).toBe(true)
  expect((await audio.search('northern budget'))[0]).toMatchObject({ speakerName: 'Dana' })
})

test('finished by somebody else while a step fails: it is done, and no error is noted', async () => {
  const other = await bucket.audio(withServer())
  const audio = await bucket.audio(withServer())
  const { id } = await add(audio)
  const isDone = before('put', (key) => key.endsWith('/snippets/speaker-1.wav'), async () => {
    // As one does that thinks this process dead.
    await (await openStore(url)).delete([`audio/claims/${id}`])
    await other.finish(id)
    throw new Error('this disk is broken')
  })
  const done = await audio.finish(id)
  expect([isDone(), done.state, done.error]).toEqual([true, 'done', undefined])
  expect((await audio.get(id)).error).toBeUndefined()
})

test('what is not there at the transcriber is told, and the recording is tried again after growing pauses', async () => {
  const audio = await bucket.audio(withServer())
  const { id } = await add(audio)
  server.failures.push(...Array.from({ length: 100 }, () => 404))
  const tries: number[] = []
  for (wait = 0; wait < 16 * 60_000; wait += 30_000) {
    const results = await audio.work()
    if (results.length > 0) tries.push(wait / 60_000)
    for (const { error } of results) expect(error).toMatchObject({ kind: 'not-found', message: expect.stringContaining('404') })
  }
  expect(tries).toEqual([0, 1, 3, 7, 15])
  server.failures.length = 0
  // Whoever asks for it does not wait.
  await audio.again(id)
  expect((await audio.work()).map(({ recording }) => recording?.state)).toEqual(['done'])
})

test('an id that is no recording writes nothing', async () => {
  const audio = await bucket.audio(withServer())
  const isWritten = before('put', (key) => key.startsWith('audio/'), async () => undefined)
  for (const id of ['01m7zvkhh9rw5qkg76zwr49gry', '../x', '']) {
    for (const ask of [audio.again(id), audio.name(id, 'speaker-1', 'Dana'), audio.finish(id), audio.remove(id)]) await expect(ask).rejects.toMatchObject({ kind: 'not-found' })
  }
  expect(isWritten()).toBe(false)
  expect(await keys('')).toEqual([])
})

test('rows of others in the collection of transcripts are no passages', async () => {
  const audio = await bucket.audio(withServer())
  const { id } = await audio.finish((await add(audio)).id)
  const collection = await bucket.collection('audio')
  for (const [key, recording, speaker] of [['a', 'x', 'speaker-1'], ['b', id, '../source'], ['c', id, 7]] as const) await collection.put([{ key, document: 'the northern budget', metadata: { source: 'x', recording, speaker } }])
  expect((await audio.search('northern budget')).map(({ recording, speaker }) => [recording, speaker])).toEqual([[id, 'speaker-1'], [id, 'speaker-2']])
})
