import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { OpenAiTranscriber } from '../../src/audio/openai-transcriber.ts'
import { MemoryPcm, sampleRate } from '../../src/audio/pcm.ts'
import type { Transcript } from '../../src/audio/recording.ts'
import { chunksOf, piecesOf, transcribe } from '../../src/audio/transcribe.ts'
import { cleanText, languageCode, languageOfScript, type Transcriber } from '../../src/audio/transcriber.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { startTranscription, type TranscriptionDouble } from '../doubles/transcription.ts'

let server: TranscriptionDouble | null = null
afterEach(async () => {
  await server?.close()
  server = null
})

// Waits for nothing: how long pauses are is not what these tests are about.
const clock = { ...systemClock, sleep: async () => undefined }
const open = (settings: { apiKey?: string } = {}) => new OpenAiTranscriber({ model: 'whisper-1', baseUrl: server!.url, ...settings }, { clock, random: seededRandom(1) })
const silence = new Float32Array(2 * sampleRate)

// The first words of Genesis, with vowel signs; א and its sign as two characters, and as Unicode's single one.
const hebrew = 'בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ'

describe('a server that speaks OpenAI', () => {
  test('hears the samples, and answers with text, language and times', async () => {
    server = await startTranscription(() => ({ text: ` ${hebrew} `, language: 'hebrew', segments: [{ start: 0, end: 1.5, text: hebrew }] }))
    const heard = await open({ apiKey: 'secret' }).transcribe(silence, { language: 'he' })
    expect(heard).toEqual({ text: ` ${hebrew} `, language: 'he', parts: [{ start: 0, end: 1.5, text: hebrew }] })
    expect(server.journal[0]).toMatchObject({ model: 'whisper-1', language: 'he', seconds: 2, authorization: 'Bearer secret' })
  })

  test('that is throttled, broken or cut off is asked again; one that refuses is not', async () => {
    server = await startTranscription(() => ({ text: 'at last' }))
    server.failures.push(429, 503, 0)
    expect((await open().transcribe(silence, {})).text).toBe('at last')
    server.failures.push(401, 200)
    await expect(open().transcribe(silence, {})).rejects.toMatchObject({ kind: 'unauthenticated', message: expect.stringContaining('WINDLASS_TRANSCRIPTION_KEY') })
    expect(server.failures).toEqual([200])
    server.failures.splice(0, 1, 500, 500, 500, 500, 500, 500)
    await expect(open().transcribe(silence, {})).rejects.toMatchObject({ kind: 'unavailable' })
    expect(server.failures).toHaveLength(1)
  })

  test('and knows no verbose_json is asked for plain text from then on', async () => {
    server = await startTranscription(() => ({ text: 'plain' }), { isPlain: true })
    const transcriber = open()
    expect(await transcriber.transcribe(silence, {})).toEqual({ text: 'plain' })
    expect(await transcriber.transcribe(silence, {})).toEqual({ text: 'plain' })
    expect(server.journal.map(({ format }) => format)).toEqual(['json', 'json'])
  })

  test('and knows no verbose_json while several are asked together', async () => {
    server = await startTranscription(() => ({ text: 'plain' }), { isPlain: true })
    const transcriber = open()
    const heard = await Promise.all(Array.from({ length: 4 }, () => transcriber.transcribe(silence, {})))
    expect(heard.map(({ text }) => text)).toEqual(['plain', 'plain', 'plain', 'plain'])
  })

  test('and repeats the key in what it answers: no message has it', async () => {
    const apiKey = 'sk-secret-of-somebody'
    server = await startTranscription(() => ({ text: 'x' }))
    for (const status of [401, 400, 403, 404]) {
      server.failures.push(status)
      const error = await open({ apiKey }).transcribe(silence, {}).catch((caught: unknown) => caught as Error)
      expect((error as Error).message).toContain(String(status))
      expect((error as Error).message).not.toContain('secret')
      // Shown, where it cannot be a part of a key.
      expect((error as Error).message.includes('on purpose')).toBe(status !== 401)
    }
  })
})

const segment = fc.tuple(fc.constantFrom('speaker-1', 'speaker-2', 'speaker-3'), fc.nat(2000), fc.integer({ min: 1, max: 900 })).map(([speaker, start, length]) => ({ speaker, start: start / 10, end: (start + length) / 10 }))

test('pieces are of one speaker, no longer than asked, and leave nothing out', () => {
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 12 }), fc.constantFrom(5, 28), (segments, secondsMax) => {
      const pieces = piecesOf(segments, secondsMax)
      for (const { start, end } of pieces) expect(end - start).toBeLessThanOrEqual(secondsMax + 1e-9)
      for (const { speaker, start, end } of segments.filter((each) => each.end - each.start >= 0.3)) {
        for (let at = start + 0.05; at < end; at += 0.5) expect(pieces.some((piece) => piece.speaker === speaker && at >= piece.start && at < piece.end), `${speaker} at ${at}`).toBe(true)
      }
    }),
  )
})

describe('a transcript', () => {
  const segments = Array.from({ length: 30 }, (_, i) => ({ speaker: `speaker-${(i % 2) + 1}`, start: i * 4, end: i * 4 + 3 }))
  const pcm = new MemoryPcm(new Float32Array(125 * sampleRate))
  const counting = (calls: number[], failAt = Infinity): Transcriber => ({
    name: 'counting',
    secondsMax: 28,
    atOnce: 4,
    transcribe: async (samples) => {
      if (calls.length >= failAt) throw new Error('killed')
      calls.push(samples.length)
      return { text: `word${calls.length}` }
    },
  })
  const saved: Transcript[] = []
  const options = { begun: null, save: async (transcript: Transcript) => void saved.push(transcript) }

  test('that was cut off goes on where it was saved', async () => {
    await expect(transcribe(pcm, { recording: 'r', segments }, counting([], 20), options)).rejects.toThrow('killed')
    expect(saved.at(-1)!.piecesDone).toBe(12)
    const calls: number[] = []
    const whole = await transcribe(pcm, { recording: 'r', segments }, counting(calls), { ...options, begun: saved.at(-1)! })
    expect(calls).toHaveLength(18)
    expect(whole.lines).toHaveLength(30)
    expect(whole.lines.map(({ start }) => start)).toEqual(segments.map(({ start }) => start))
    // Another transcriber's words are not mixed with these.
    const others: number[] = []
    await transcribe(pcm, { recording: 'r', segments }, { ...counting(others), name: 'another' }, { ...options, begun: saved.at(-1)! })
    expect(others).toHaveLength(30)
  })

  test('keeps times within its piece, and right-to-left text as it is spoken', async () => {
    const decomposed = hebrew.normalize('NFD')
    const { lines } = await transcribe(pcm, { recording: 'r', segments: [{ speaker: 'speaker-1', start: 10, end: 14 }] }, { name: 'he', secondsMax: 28, atOnce: 1, transcribe: async () => ({ text: decomposed, parts: [{ start: -1, end: 2, text: `  ${decomposed}\n` }, { start: 2, end: 99, text: 'שלום \u200fעולם' }] }) }, options)
    expect(lines).toEqual([
      { speaker: 'speaker-1', start: 10, end: 12, text: hebrew.normalize('NFC'), language: 'he' },
      { speaker: 'speaker-1', start: 12, end: 14, text: 'שלום \u200fעולם', language: 'he' },
    ])
    expect(lines[0]!.text.startsWith('\u05d1')).toBe(true)
  })

  test('becomes passages of one speaker and one language, in which every word is once', () => {
    const line = fc.record({ speaker: fc.constantFrom('speaker-1', 'speaker-2'), start: fc.nat(500), text: fc.lorem({ maxCount: 40 }), language: fc.constantFrom('en', 'he') }).map((each) => ({ ...each, end: each.start + 5 }))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const chunks = chunksOf(lines)
        expect(chunks.map(({ text }) => text).join(' ')).toBe(lines.map(({ text }) => text).join(' '))
        expect(chunks.map(({ index }) => index)).toEqual([...chunks.keys()])
        for (const { text } of chunks) expect(text.length).toBeLessThan(1400)
      }),
    )
    expect(chunksOf([{ speaker: 'a', start: 0, end: 1, text: 'x' }, { speaker: 'b', start: 1, end: 2, text: 'y' }, { speaker: 'b', start: 2, end: 3, text: 'z' }]).map(({ speaker, end, text }) => [speaker, end, text])).toEqual([['a', 1, 'x'], ['b', 3, 'y z']])
  })
})

test('text is one line in NFC, its characters in their order', () => {
  // A presentation form becomes its letter and its point; an accent joins its letter.
  expect(cleanText('\ufb31 e\u0301')).toBe('\u05d1\u05bc \u00e9')
  expect(cleanText(` ${hebrew.normalize('NFD')}\n\n שלום `)).toBe(`${hebrew.normalize('NFC')} שלום`)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(cleanText(cleanText(text))).toBe(cleanText(text))
    }),
  )
})

test('languages by their script and as models spell them', () => {
  expect([hebrew, 'שלום world', 'مرحبا', 'hello', '', 'Привет'].map(languageOfScript)).toEqual(['he', undefined, 'ar', undefined, undefined, undefined])
  expect(['Hebrew', 'iw', 'en', 'en-US', '<|de|>', '', undefined, 'no idea'].map(languageCode)).toEqual(['he', 'he', 'en', 'en', 'de', undefined, undefined, undefined])
})
