// Recordings made on the spot with espeak-ng, decoded by ffmpeg: languages, containers, silence, overlap, length. Run by .ci/run.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeSamples, MemoryPcm, sampleRate } from '../../src/audio/pcm.ts'
import { diarize } from '../../src/audio/diarize.ts'
import { openSherpaParts } from '../../src/audio/sherpa-parts.ts'
import { encodeWav } from '../../src/audio/wav.ts'
import { VoiceStatistics } from '../../src/audio/voice-statistics.ts'
import { open, type AudioHandle, type Bucket } from '../../src/index.ts'
import { startTranscription } from '../doubles/transcription.ts'
import { OpenAiTranscriber } from '../../src/audio/openai-transcriber.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { diarizationError, room } from './voices.ts'

const needs = process.env.WINDLASS_TEST_AUDIO === undefined
const silero = process.env.WINDLASS_TEST_SILERO
let folder: string
let bucket: Bucket
let audio: AudioHandle
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'windlass-spoken-'))
  bucket = await open(`file:${join(folder, 'bucket')}`)
  audio = await bucket.audio({ scratch: { folder, budgetBytes: 1e9 } })
})
afterAll(async () => {
  await bucket.close()
  expect(readdirSync(folder).filter((name) => name.startsWith('windlass-audio'))).toEqual([])
  rmSync(folder, { recursive: true, force: true })
})

const english = [
  'Good morning, shall we begin with the budget of the northern office? Nothing has come in for weeks.',
  'I think we should first look at the harbor, because the warehouse is empty and the trains were late again.',
  'We have seen that the costs of travel rose by a third last year, while the number of visits stayed the same.',
  'Could somebody tell me who ordered the second machine, and why it was never paid for?',
]
const texts: Readonly<Record<string, readonly string[]>> = {
  'en-us': english,
  'en-gb': english,
  de: ['Guten Morgen, fangen wir mit dem Haushalt an. Seit Wochen ist nichts gekommen, und das Lager ist leer.', 'Ich finde, wir sollten zuerst den Hafen ansehen, denn die Züge kamen wieder zu spät, und niemand hatte es geplant.'],
  fr: ['Bonjour à tous, commençons par le budget. Rien est arrivé depuis des semaines, et le dépôt est vide.', 'Je pense que nous devrions regarder le port avant tout, parce que les trains étaient encore en retard.'],
}

/** What a voice of espeak-ng (`de+m2`) says, at 16 kHz, without the silence around it. */
function say(voice: string, text: string): Float32Array {
  const path = join(folder, 'said.wav')
  execFileSync('espeak-ng', ['-v', voice, '-s', '155', '-w', path, text])
  const raw = execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', path, '-ac', '1', '-ar', String(sampleRate), '-f', 's16le', 'pipe:1'], { maxBuffer: 1e8 })
  const samples = decodeSamples(raw)
  const first = samples.findIndex((value) => Math.abs(value) > 0.01)
  return samples.slice(first, samples.findLastIndex((value) => Math.abs(value) > 0.01) + 1)
}

interface Scene {
  readonly samples: Float32Array
  readonly turns: { speaker: string; start: number; end: number }[]
}

/** A conversation: each says something in turn, with pauses between 0.3 and 2 seconds. A negative pause interrupts. */
function converse(voices: readonly string[], lines: readonly (readonly [voice: number, text: number, pause: number])[]): Scene {
  const parts: { at: number; said: Float32Array }[] = []
  const turns: Scene['turns'] = []
  let end = 1
  for (const [voice, text, pause] of lines) {
    const name = voices[voice]!
    const said = say(name, texts[name.split('+')[0]!]![text]!)
    const start = end + pause
    end = start + said.length / sampleRate
    parts.push({ at: Math.round(start * sampleRate), said })
    turns.push({ speaker: name, start, end })
  }
  const samples = room(end + 1, 1)
  for (const { at, said } of parts) for (let i = 0; i < said.length; i++) samples[at + i]! += 0.7 * said[i]!
  return { samples, turns }
}

/** The scene as a file that ffmpeg writes. */
function encode({ samples }: Scene, extension: string): Buffer {
  const path = join(folder, 'scene.wav')
  writeFileSync(path, encodeWav(samples))
  const out = join(folder, `scene.${extension}`)
  execFileSync('ffmpeg', ['-nostdin', '-y', '-loglevel', 'error', '-i', path, '-ar', extension === 'ogg' ? '48000' : '44100', out])
  return readFileSync(out)
}

const bytesOf = async function* (bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}
const three = [[0, 0, 0], [1, 1, 0.4], [2, 2, 1], [0, 3, 0.6], [1, 2, 2], [2, 0, 0.5], [0, 1, 0.8], [1, 3, 0.6]] as const
const two = [[0, 0, 0], [1, 1, 0.5], [0, 1, 0.7], [1, 0, 1.5], [0, 0, 0.5], [1, 1, 0.6]] as const

describe.skipIf(needs)('spoken by espeak-ng (WINDLASS_TEST_AUDIO)', () => {
  test.each([
    ['three voices', ['en-us+m1', 'en-us+f2', 'en-us+m7'], three, 'm4a'],
    ['a woman and a man in English', ['en-us+f4', 'en-us+m3'], two, 'mp3'],
    ['German and French', ['de+m2', 'fr+f3'], two, 'ogg'],
  ] as const)('%s: who speaks when', async (name, voices, lines, extension) => {
    const scene = converse(voices, lines)
    const { id } = await audio.add({ name: `scene.${extension}`, bytes: bytesOf(encode(scene, extension)) })
    const began = performance.now()
    const recording = await audio.finish(id)
    const seconds = (performance.now() - began) / 1000
    expect(recording).toMatchObject({ state: 'done' })
    const error = diarizationError(scene.turns, (await audio.show(id)).segments!.segments)
    process.stdout.write(`${name}, ${extension}: ${recording.seconds!.toFixed(0)} s in ${seconds.toFixed(1)} s, ${recording.speakers.length} of ${voices.length} speakers, diarization error ${(error.error * 100).toFixed(1)} % (missed ${(error.missed * 100).toFixed(1)}, false ${(error.false * 100).toFixed(1)}, confused ${(error.confused * 100).toFixed(1)})\n`)
    expect(error.error).toBeLessThan(0.2)
    expect(recording.speakers.filter((speaker) => speaker.seconds > 5)).toHaveLength(voices.length)
    for (const speaker of recording.speakers.filter((each) => each.seconds > 16)) expect(speaker.snippetSeconds).toBeGreaterThan(13)
  })

  test('silence alone: nobody; a voice between long silences: one', async () => {
    const silence = await audio.finish((await audio.add({ name: 'silence.flac', bytes: bytesOf(encode({ samples: room(20, 2), turns: [] }, 'flac')) })).id)
    expect(silence).toMatchObject({ state: 'done', speakers: [] })
    const lone = converse(['en-us+f2'], [[0, 0, 10], [0, 1, 20]])
    const { id, speakers } = await audio.finish((await audio.add({ name: 'lone.flac', bytes: bytesOf(encode(lone, 'flac')) })).id)
    expect(speakers).toHaveLength(1)
    expect(diarizationError(lone.turns, (await audio.show(id)).segments!.segments).error).toBeLessThan(0.05)
  })

  test('a playlist that names other files is no recording', async () => {
    const path = join(folder, 'secret.wav')
    writeFileSync(path, encodeWav(say('en-us', english[0]!)))
    for (const text of [`#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://${path}\n#EXT-X-ENDLIST\n`, `ffconcat version 1.0\nfile ${path}\n`]) {
      expect(await audio.finish((await audio.add({ name: 'list.m3u8', bytes: bytesOf(Buffer.from(text)) })).id)).toMatchObject({ state: 'failed', error: expect.stringContaining('cannot be decoded') })
    }
  })

  test('Hebrew, through an OpenAI-compatible endpoint: kept as it is spoken, found, told by its language', async () => {
    const said = 'בוקר טוב לכולם, נתחיל בתקציב של המשרד בצפון'
    const transcription = await startTranscription(() => ({ text: said, language: 'hebrew' }))
    const ivrit = await bucket.audio({ collection: 'ivrit', parts: async () => ({ transcriber: new OpenAiTranscriber({ model: 'double', baseUrl: transcription.url }, { clock: systemClock, random: systemRandom }) }) })
    try {
      const path = join(folder, 'he.wav')
      execFileSync('espeak-ng', ['-v', 'he', '-w', path, said])
      const { id } = await ivrit.finish((await ivrit.add({ name: 'ישיבה.wav', bytes: bytesOf(readFileSync(path)) })).id)
      const [hit] = await ivrit.search('תקציב המשרד')
      expect(hit).toMatchObject({ recording: id, name: 'ישיבה.wav', language: 'he' })
      expect(hit!.text).toContain(said)
    } finally {
      await transcription.close()
    }
  })

  test.skipIf(silero === undefined)('the real weights of Silero VAD, by sherpa-onnx in its thread', async () => {
    const scene = converse(['en-us+m1', 'en-us+f2', 'en-us+m7'], three)
    const models = { list: async () => [], load: async () => ({ folder: join(silero!, '..'), release: async () => undefined }) }
    const { voiceActivity, close } = await openSherpaParts({ voiceActivity: { model: 'silero/vad', path: 'silero_vad.onnx' }, segmentation: null, embedding: null, whisper: null }, models)
    try {
      const { turns } = await diarize(new MemoryPcm(scene.samples), { voiceActivity: voiceActivity!, embedder: new VoiceStatistics() })
      const error = diarizationError(scene.turns, turns.map(({ speaker, start, end }) => ({ speaker, start: start / sampleRate, end: end / sampleRate })))
      process.stdout.write(`silero: diarization error ${(error.error * 100).toFixed(1)} %\n`)
      expect(error.error).toBeLessThan(0.15)
    } finally {
      await close!()
    }
  })
})
