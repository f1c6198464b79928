// Recordings through the library: bytes in the bucket, speakers, snippets, transcripts that are found, and what happens when it goes wrong.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readWavLayout, encodeWav } from '../../src/audio/wav.ts'
import { decodeSamples, sampleRate } from '../../src/audio/pcm.ts'
import { AudioScratch } from '../../src/audio/scratch-file.ts'
import { OpenAiTranscriber } from '../../src/audio/openai-transcriber.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { open, type AudioHandle, type AudioOptions, type Bucket } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import { startTranscription, type TranscriptionDouble } from '../doubles/transcription.ts'
import { converse, diarizationError, voices } from './voices.ts'

const { dana, omer, ruth } = voices
const meeting = converse([{ voice: dana, seconds: 18, pause: 1 }, { voice: omer, seconds: 7, pause: 0.8 }, { voice: dana, seconds: 5, pause: 0.7 }, { voice: omer, seconds: 6, pause: 1 }])
const later = converse([{ voice: ruth, seconds: 8, pause: 1 }, { voice: dana, seconds: 9, pause: 0.8 }, { voice: ruth, seconds: 6, pause: 1 }], { seed: 5 })
const sayings = ['The budget of the northern office is spent.', 'ברוכים הבאים לישיבה על הנמל', 'We repair the old machine in the autumn.', 'Nobody ordered the second one.']

let count = 0
let url: string
let scratch: string
let bucket: Bucket
let server: TranscriptionDouble
beforeEach(async () => {
  url = `memory:audio-${++count}`
  scratch = mkdtempSync(join(tmpdir(), 'windlass-audio-'))
  bucket = await open(url)
  // Several words are one: in the order of the pieces, however they arrive.
  server = await startTranscription((heard) => ({ text: sayings[pieceOf(heard.seconds)]! }))
})
afterEach(async () => {
  await bucket.close()
  await server.close()
  expect(readdirSync(scratch)).toEqual([])
  rmSync(scratch, { recursive: true })
})

/** Pieces of the meeting are told apart by their lengths. */
const pieceOf = (seconds: number) => [18, 7, 5, 6].map((length) => Math.abs(length - seconds)).reduce((best, gap, i, all) => (gap < all[best]! ? i : best), 0)

const withServer = (): AudioOptions => ({ scratch: { folder: scratch, budgetBytes: 1e8 }, parts: async () => ({ transcriber: new OpenAiTranscriber({ model: 'whisper-1', baseUrl: server.url }, { clock: systemClock, random: systemRandom }) }) })
const bytesOf = async function* (bytes: Uint8Array, part = 50_000) {
  for (let at = 0; at < bytes.length; at += part) yield bytes.subarray(at, at + part)
}
const add = (audio: AudioHandle, samples: Float32Array, name = 'meeting.wav') => audio.add({ name, contentType: 'audio/wav', bytes: bytesOf(encodeWav(samples)) })
const keys = async (prefix = 'audio/') => {
  const found: string[] = []
  for await (const { key } of (await openStore(url)).list(prefix)) found.push(key)
  return found
}

test('a meeting: stored, told apart, transcribed, found, named, known again, and removed without a trace', async () => {
  const audio = await bucket.audio(withServer())
  const { id, state, sizeBytes } = await add(audio, meeting.samples)
  expect([state, sizeBytes]).toEqual(['stored', 44 + meeting.samples.length * 2])
  const done = await audio.finish(id)
  expect(done).toMatchObject({ state: 'done', transcriber: 'openai:whisper-1', language: 'he', speakers: [{ id: 'speaker-1', snippetSeconds: 15 }, { id: 'speaker-2' }] })
  expect(done.speakers[1]!.snippetSeconds).toBeGreaterThan(11)
  expect(await keys('audio/pending/')).toEqual([])
  expect(await keys('audio/claims/')).toEqual([])
  expect(await keys('audio/recordings/')).toEqual(['recording.json', 'segments.json', 'snippets/speaker-1.wav', 'snippets/speaker-2.wav', 'source', 'transcript.json'].map((name) => `audio/recordings/${id}/${name}`))

  const { segments, transcript } = await audio.show(id)
  expect(diarizationError(meeting.turns.map(({ voice, start, end }) => ({ speaker: voice.pitch, start, end })), segments!.segments).error).toBeLessThan(0.05)
  expect(transcript!.lines.map(({ speaker, text, language }) => [speaker, text, language])).toEqual([
    ['speaker-1', sayings[0], undefined], ['speaker-2', sayings[1], 'he'], ['speaker-1', sayings[2], undefined], ['speaker-2', sayings[3], undefined],
  ])

  const [hit] = await audio.search('הנמל')
  expect(hit).toMatchObject({ recording: id, name: 'meeting.wav', speaker: 'speaker-2', language: 'he', text: sayings[1], snippet: `${url}/audio/recordings/${id}/snippets/speaker-2.wav` })
  expect(hit!.text.slice(hit!.highlights[0]!.start, hit!.highlights[0]!.end)).toContain('הנמל')
  expect(hit!.start).toBeCloseTo(meeting.turns[1]!.start, 0)
  // As documents are found, too.
  expect((await (await bucket.documents('audio')).search('old machine autumn'))[0]).toMatchObject({ source: 'meeting.wav', metadata: { speaker: 'speaker-1', recording: id } })

  await audio.name(id, 'speaker-1', ' דנה ')
  expect((await audio.search('budget'))[0]).toMatchObject({ speakerName: 'דנה' })
  expect(await audio.search('budget machine second', { filter: { speakerName: 'דנה' } })).toHaveLength(2)
  const second = await audio.finish((await add(audio, later.samples, 'later.wav')).id)
  expect(second.speakers.map(({ name }) => name)).toEqual([undefined, 'דנה'])
  expect(second.speakers[1]!.voiceDistance).toBeLessThan(1.4)
  // Voices are no collection of anybody's.
  expect((await bucket.listCollections()).collections.map(({ name }) => name)).toEqual(['audio'])

  expect((await audio.list({ limit: 1 })).recordings.map((each) => each.id)).toEqual([id])
  expect((await audio.list({ after: id })).recordings.map((each) => each.id)).toEqual([second.id])
  await audio.remove(id)
  await audio.remove(second.id)
  expect(await keys()).toEqual([])
  expect(await audio.search('budget')).toEqual([])
  await expect(audio.get(id)).rejects.toMatchObject({ kind: 'not-found' })
})

test('a snippet is a WAV file of that speaker, read in ranges', async () => {
  const audio = await bucket.audio({ scratch: { folder: scratch, budgetBytes: 1e8 }, parts: async () => ({ snippetSeconds: 4 }) })
  const { id } = await audio.finish((await add(audio, meeting.samples)).id)
  const file = await audio.file(id, 'speaker-1')
  const parts: Uint8Array[] = []
  for await (const part of file.read(0, file.sizeBytes)) parts.push(part)
  const wav = Buffer.concat(parts)
  const { dataStart, dataEnd } = readWavLayout(wav, wav.length)!
  const samples = decodeSamples(wav.subarray(dataStart, dataEnd))
  expect(samples.length).toBe(4 * sampleRate)
  expect(Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length)).toBeGreaterThan(0.02)
  for await (const part of file.read(10, 20)) expect([...part]).toEqual([...wav.subarray(10, 20)])
  for (const speaker of ['speaker-3', 'speaker-0', '../source', '']) await expect(audio.file(id, speaker)).rejects.toMatchObject({ kind: 'not-found' })
})

describe('what goes wrong', () => {
  test('no sound, no bytes, no room: said, and kept or not', async () => {
    const audio = await bucket.audio({ scratch: { folder: scratch, budgetBytes: 1e6 }, parts: async () => ({ ffmpeg: join(scratch, 'no-such-program') }) })
    await expect(audio.add({ name: 'empty.wav', bytes: bytesOf(new Uint8Array(0)) })).rejects.toMatchObject({ kind: 'invalid' })
    expect(await keys()).toEqual([])
    const hollow = await audio.finish((await audio.add({ name: 'hollow.wav', bytes: bytesOf(encodeWav(new Float32Array(0))) })).id)
    expect(hollow).toMatchObject({ state: 'failed', error: expect.stringContaining('no samples') })
    // It may go well where there is ffmpeg, or more room: it stays unfinished.
    const { id } = await audio.add({ name: 'a.mp3', bytes: bytesOf(new Uint8Array(5000).fill(7)) })
    await expect(audio.finish(id)).rejects.toMatchObject({ kind: 'missing-dependency', message: expect.stringContaining('apt-get install ffmpeg') })
    expect(await audio.get(id)).toMatchObject({ state: 'stored', error: expect.stringContaining('ffmpeg') })
    const long = await add(audio, meeting.samples)
    // One that never fits is not decoded again and again.
    expect(await audio.finish(long.id)).toMatchObject({ state: 'failed', error: expect.stringContaining('WINDLASS_SCRATCH_BUDGET') })
    expect((await audio.work()).map(({ error }) => (error as { kind?: string } | undefined)?.kind)).toEqual(['missing-dependency'])
    const roomy = await bucket.audio({ scratch: { folder: scratch, budgetBytes: 1e8 } })
    await roomy.again(long.id)
    expect(await roomy.finish(long.id)).toMatchObject({ state: 'done' })
    expect((await roomy.get(long.id)).error).toBeUndefined()
  })

  test('there is no room while others have it', async () => {
    const disk = new AudioScratch({ folder: scratch, budgetBytes: 1000 }, systemRandom)
    const [one, two] = [await disk.create(), await disk.create()]
    await one.append(new Uint8Array(600))
    await expect(two.append(new Uint8Array(600))).rejects.toMatchObject({ kind: 'storage-full' })
    await expect(one.append(new Uint8Array(600))).rejects.toMatchObject({ kind: 'too-large' })
    await one.release()
    await two.append(new Uint8Array(1000))
    await two.release()
    expect(disk.usedBytes).toBe(0)
  })

  test.skipIf(process.platform === 'win32')('ffmpeg is not told of a proxy, nor of keys', async () => {
    const ffmpeg = join(scratch, 'ffmpeg')
    writeFileSync(ffmpeg, '#!/bin/sh\n[ -z "$http_proxy$OPENAI_API_KEY" ] && head -c 64000 /dev/zero\n', { mode: 0o755 })
    vi.stubEnv('http_proxy', 'http://127.0.0.1:1')
    vi.stubEnv('OPENAI_API_KEY', 'sk-secret')
    const audio = await bucket.audio({ scratch: { folder: scratch, budgetBytes: 1e8 }, parts: async () => ({ ffmpeg }) })
    const { id } = await audio.add({ name: 'a.mp3', bytes: bytesOf(new Uint8Array(5000).fill(7)) })
    expect(await audio.finish(id)).toMatchObject({ state: 'done', seconds: 2 })
    vi.unstubAllEnvs()
    rmSync(ffmpeg)
  })

  test('an upload that breaks off leaves nothing', async () => {
    const audio = await bucket.audio(withServer())
    const broken = async function* () {
      yield encodeWav(meeting.samples).subarray(0, 100_000)
      throw new Error('the client went away')
    }
    await expect(audio.add({ name: 'x.wav', bytes: broken() })).rejects.toThrow('went away')
    expect(await keys()).toEqual([])
  })

  test('a server that fails for good leaves who spoke, and goes on there', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await add(audio, meeting.samples)
    server.failures.push(...Array.from({ length: 4 }, () => 401))
    await expect(audio.finish(id)).rejects.toMatchObject({ kind: 'unauthenticated' })
    expect(await audio.get(id)).toMatchObject({ state: 'diarized', speakers: [{ id: 'speaker-1' }, { id: 'speaker-2' }] })
    server.failures.length = 0
    expect((await audio.work()).map(({ recording }) => recording?.state)).toEqual(['done'])
    expect(await audio.work()).toEqual([])
  })

  test('removed while it is worked on: nothing comes back', async () => {
    const audio = await bucket.audio({
      ...withServer(),
      onEvent: ({ recording, state }) => {
        if (state === 'transcribed') removal = audio.remove(recording)
      },
    })
    let removal: Promise<void> | undefined
    const { id } = await add(audio, meeting.samples)
    await expect(audio.finish(id)).rejects.toMatchObject({ kind: 'not-found' })
    await removal
    expect(await keys()).toEqual([])
    expect(await audio.search('budget')).toEqual([])
  })

  test('two that finish one recording do it once', async () => {
    // Time stands still: a claim never looks like a dead process's, however slow this machine is.
    const clock = { ...systemClock, monotonic: () => 0 }
    const buckets = [await open(url, { clock }), await open(url, { clock })]
    const [one, two] = [await buckets[0]!.audio(withServer()), await buckets[1]!.audio(withServer())]
    const { id } = await add(one, meeting.samples)
    const [a, b] = await Promise.all([one.finish(id), two.finish(id)])
    expect(a).toEqual(b)
    expect(server.journal).toHaveLength(4)
    for (const each of buckets) await each.close()
  })

  test('a damaged or newer recording.json is told, hides no other, and can be removed', async () => {
    const audio = await bucket.audio(withServer())
    const { id } = await add(audio, meeting.samples)
    const store = await openStore(url)
    await store.put(`audio/recordings/${id}/recording.json`, Buffer.from('{"formatVersion":2}'))
    await expect(audio.get(id)).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('format 2') })
    await store.put(`audio/recordings/${id}/recording.json`, Buffer.from('{"formatVersion":1'))
    await expect(audio.get(id)).rejects.toMatchObject({ kind: 'corrupt' })
    const other = await add(audio, later.samples)
    expect((await audio.list()).recordings).toMatchObject([{ id, state: 'failed', error: expect.stringContaining('not JSON') }, { id: other.id, state: 'stored' }])
    await audio.remove(id)
    await audio.remove(other.id)
    expect(await keys()).toEqual([])
  })
})

test('a store without URLs for clients says where to send recordings', async () => {
  const audio = await bucket.audio(withServer())
  await expect(audio.beginUpload({ name: 'x.wav' })).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('POST /v1/audio') })
  await expect(audio.completeUpload('01m7zvkhh9rw5qkg76zwr49gry')).rejects.toMatchObject({ kind: 'not-found' })
  expect(await keys()).toEqual([])
})
