import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { chooseSnippets, readParts } from './choose-snippet.ts'
import { decodeSound } from './decode.ts'
import { diarize, type DiarizationParts } from './diarize.ts'
import { sampleRate } from './pcm.ts'
import { keyOf, snippetKey, type RecordingBucket, type StoredRecording } from './recording-bucket.ts'
import type { Recording, RecordingState, Segments, Speaker } from './recording.ts'
import type { AudioScratch, PcmFile } from './scratch-file.ts'
import type { ByteSource } from './serve-bytes.ts'
import { chunksOf, mainLanguage, round, transcribe, type TranscriptChunk } from './transcribe.ts'
import type { Transcriber } from './transcriber.ts'
import { encodeWav } from './wav.ts'

/** What is heard, written where searches look. */
export interface TranscriptIndex {
  /** Puts the passages of a recording in place of those that are there. */
  replace(recording: Recording, chunks: readonly TranscriptChunk[], signal?: AbortSignal): Promise<void>
  /** Puts new names to the speakers of passages. */
  rename(recording: Recording, chunks: readonly TranscriptChunk[]): Promise<void>
  remove(recording: Recording): Promise<void>
}

/** Voices that have names. */
export interface VoiceBook {
  /** The named voice that is nearest. */
  nearest(voice: Float32Array): Promise<{ readonly name: string; readonly distance: number } | null>
  put(recording: string, speaker: string, name: string, voice: Float32Array): Promise<void>
}

/** What a recording is worked on with. */
export interface AudioParts extends DiarizationParts {
  /** Null: nothing is transcribed. */
  readonly transcriber: Transcriber | null
  readonly snippetSeconds: number
  readonly ffmpeg?: string
  /** Lets go of models. */
  close?(): Promise<void>
}

/** What the steps share. */
export interface AudioContext {
  readonly bucket: RecordingBucket
  /** Opened when a recording is first worked on. */
  parts(): Promise<AudioParts>
  /** Lets go of what `parts` has opened, if anything. */
  close(): Promise<void>
  readonly scratch: AudioScratch
  readonly index: TranscriptIndex
  readonly voices: (parts: AudioParts) => VoiceBook
  /** Forgets the voices that were named in a recording, whatever made them. */
  forgetVoices(recording: string): Promise<void>
  readonly clock: Clock
  readonly random: Random
  onEvent(event: AudioEvent): void
}

/** What happens to a recording, for a log. */
export interface AudioEvent {
  readonly recording: string
  readonly name: string
  readonly state: RecordingState | 'heard'
  /** Seconds of sound that are through, of `heard`. */
  readonly seconds?: number
  readonly message?: string
}

// Times that somebody else may change a recording under a worker: names are given by hand, and another worker has five steps.
const changesMax = 50

/**
 * Takes a recording from where it is to the end, a step at a time; each step leaves what it made in the bucket before the state says so, so that another process can go
 * on from there. Two that do this at once make the same, and the later of their states is refused: it goes on from what is there then.
 * @returns The recording at its end, `done` or `failed`. @throws what may go well later; the recording stays unfinished.
 */
export async function finishRecording(id: string, context: AudioContext, signal?: AbortSignal): Promise<Recording> {
  const { bucket, clock } = context
  let stored = await bucket.get(id)
  const work = new Work(context, signal)
  try {
    for (let changes = 0; stored.recording.state !== 'done' && stored.recording.state !== 'failed'; ) {
      throwIfAborted(signal)
      try {
        const made = await work.step(stored)
        const { error: _, ...before } = stored.recording
        stored = await bucket.replace(stored, { ...before, ...made, updatedAt: toIsoTime(clock.now()) })
        context.onEvent({ recording: id, name: stored.recording.name, state: stored.recording.state })
      } catch (error) {
        if (signal?.aborted && !isWindlassError(error, 'conflict')) throw error
        const current = await bucket.find(id).catch(() => stored)
        if (!current) {
          // Removed meanwhile: what was written since goes too.
          await removeRecording(stored.recording, context)
          throw new WindlassError('not-found', `recording ${id} was removed while it was worked on`, { path: 'id' })
        }
        // What went wrong with a recording that has changed since says nothing of what it is now.
        const isChanged = current.etag !== stored.etag && ++changes < changesMax
        stored = isChanged ? current : await work.note(current, error)
      }
    }
  } finally {
    await work.end()
  }
  return stored.recording
}

/** Removes all of a recording. What names it goes late, so that a removal that was cut short can be repeated; passages once more after that, as who works on it may have written them since. */
export async function removeRecording(recording: Recording, { bucket, index, forgetVoices }: AudioContext): Promise<void> {
  await index.remove(recording)
  await forgetVoices(recording.id)
  await bucket.remove(recording.id, { isAwaited: recording.state === 'uploading' })
  await index.remove(recording)
}

// What comes again however often it is tried.
const lasting = ['invalid', 'unsupported', 'too-large', 'corrupt'] as const

class Work {
  readonly #context: AudioContext
  readonly #signal: AbortSignal | undefined
  #pcm: PcmFile | null = null

  constructor(context: AudioContext, signal: AbortSignal | undefined) {
    this.#context = context
    this.#signal = signal
  }

  /** Does what comes next. @returns what changes of the recording. */
  step(stored: StoredRecording): Promise<Partial<Recording>> {
    switch (stored.recording.state) {
      case 'stored':
        return this.#diarize(stored.recording)
      case 'diarized':
        return this.#transcribe(stored.recording)
      case 'transcribed':
        return this.#cut(stored.recording)
      case 'cut':
        return this.#index(stored.recording)
      default:
        throw new WindlassError('unavailable', `recording ${stored.recording.id} is still ${stored.recording.state}`)
    }
  }

  /** Writes down what went wrong. @throws it again, where it may go well another time. */
  async note(stored: StoredRecording, error: unknown): Promise<StoredRecording> {
    const { recording } = stored
    const isLasting = isWindlassError(error, ...lasting)
    const state = isLasting ? 'failed' : recording.state
    const { bucket, clock, onEvent } = this.#context
    const noted = bucket.replace(stored, { ...recording, state, error: messageOf(error), updatedAt: toIsoTime(clock.now()) })
    if (!isLasting) {
      await noted.catch(() => undefined)
      throw error
    }
    onEvent({ recording: recording.id, name: recording.name, state: 'failed', message: messageOf(error) })
    return noted
  }

  async end(): Promise<void> {
    await this.#pcm?.release()
  }

  async #sound({ id, name, sizeBytes }: Recording): Promise<PcmFile> {
    if (this.#pcm) return this.#pcm
    const { bucket, scratch, random } = this.#context
    const { ffmpeg } = await this.#context.parts()
    const key = keyOf(id, 'source')
    const source: ByteSource = {
      name: JSON.stringify(name),
      sizeBytes,
      async read(start, end, signal) {
        const answer = await bucket.store.get(key, { range: { start, end }, ...(signal && { signal }) })
        if (answer.kind === 'found') return answer.bytes
        throw new WindlassError('corrupt', `${bucket.store.url}/${key} is not there: remove the recording, and add it again`, { key })
      },
    }
    const pcm = await scratch.create()
    try {
      await decodeSound(source, pcm, { random, signal: this.#signal, ...(ffmpeg !== undefined && { ffmpeg }) })
    } catch (error) {
      await pcm.release()
      throw error
    }
    return (this.#pcm = pcm)
  }

  async #diarize(recording: Recording): Promise<Partial<Recording>> {
    const { bucket, onEvent, voices } = this.#context
    const pcm = await this.#sound(recording)
    const parts = await this.#context.parts()
    const { turns, voices: heard } = await diarize(pcm, parts, { signal: this.#signal, onProgress: (samples) => onEvent({ recording: recording.id, name: recording.name, state: 'heard', seconds: samples / sampleRate }) })
    const id = (speaker: number) => `speaker-${speaker + 1}`
    const segments: Segments = {
      formatVersion: 1,
      recording: recording.id,
      seconds: round(pcm.sampleCount / sampleRate),
      embedder: parts.embedder.name,
      speakers: heard.map((voice, i) => ({ id: id(i), voice: Array.from(voice, (value) => Math.round(value * 1e6) / 1e6) })),
      segments: turns.map(({ start, end, speaker }) => ({ speaker: id(speaker), start: round(start / sampleRate), end: round(end / sampleRate) })),
    }
    await bucket.putJson(recording.id, 'segments.json', segments)
    const names = await namesByVoice(heard, parts, voices(parts))
    const speakers = heard.map((_, i): Speaker => ({ id: id(i), seconds: round(turns.reduce((sum, turn) => sum + (turn.speaker === i ? turn.end - turn.start : 0), 0) / sampleRate), ...names[i] }))
    return { state: 'diarized', seconds: segments.seconds, speakers }
  }

  async #transcribe(recording: Recording): Promise<Partial<Recording>> {
    const { transcriber } = await this.#context.parts()
    const segments = await this.#segments(recording)
    if (!transcriber || segments.segments.length === 0) return { state: 'transcribed', transcriber: transcriber?.name ?? null }
    const { bucket } = this.#context
    const transcript = await transcribe(await this.#sound(recording), { recording: recording.id, segments: segments.segments, language: recording.language }, transcriber, {
      begun: await bucket.transcript(recording.id),
      save: (part) => bucket.putJson(recording.id, 'transcript.json', part),
      signal: this.#signal,
    })
    const language = recording.language ?? mainLanguage(transcript.lines)
    return { state: 'transcribed', transcriber: transcriber.name, ...(language !== undefined && { language }) }
  }

  async #cut(recording: Recording): Promise<Partial<Recording>> {
    const { bucket } = this.#context
    const { snippetSeconds } = await this.#context.parts()
    const { segments } = await this.#segments(recording)
    if (segments.length === 0) {
      await bucket.keepSnippets(recording.id, [])
      return { state: 'cut' }
    }
    const pcm = await this.#sound(recording)
    const numbers = new Map(recording.speakers.map(({ id }, i) => [id, i]))
    const turns = segments.map(({ speaker, start, end }) => ({ speaker: numbers.get(speaker) ?? -1, start: Math.round(start * sampleRate), end: Math.round(end * sampleRate) }))
    const chosen = await chooseSnippets(pcm, turns, recording.speakers.length, snippetSeconds)
    const speakers: Speaker[] = []
    for (const [i, speaker] of recording.speakers.entries()) {
      const samples = await readParts(pcm, chosen[i]!)
      if (samples.length > 0) await bucket.store.put(snippetKey(recording.id, speaker.id), encodeWav(samples), { contentType: 'audio/wav', ...(this.#signal && { signal: this.#signal }) })
      speakers.push({ ...speaker, ...(samples.length > 0 && { snippetSeconds: round(samples.length / sampleRate) }) })
    }
    // Of an earlier attempt, there may be more.
    await bucket.keepSnippets(recording.id, speakers.filter(({ snippetSeconds }) => snippetSeconds !== undefined).map(({ id }) => id))
    return { state: 'cut', speakers }
  }

  async #index(recording: Recording): Promise<Partial<Recording>> {
    const chunks = chunksOf((await this.#context.bucket.transcript(recording.id))?.lines ?? [])
    if (chunks.length > 0) await this.#context.index.replace(recording, chunks, this.#signal)
    else await this.#context.index.remove(recording)
    return { state: 'done', chunkCount: chunks.length }
  }

  async #segments({ id }: Recording): Promise<Segments> {
    const segments = await this.#context.bucket.segments(id)
    if (segments) return segments
    throw new WindlassError('corrupt', `${this.#context.bucket.store.url}/${keyOf(id, 'segments.json')} is not there: \`windlass audio work --again ${id}\` makes it again`, { key: id })
  }
}

/** A name for each voice that is known; of two speakers that are both near to one, the nearer has it. */
async function namesByVoice(voices: readonly Float32Array[], { embedder }: AudioParts, book: VoiceBook): Promise<({ name: string; voiceDistance: number } | undefined)[]> {
  const found = await Promise.all(voices.map((voice) => book.nearest(voice)))
  return found.map((match, i) => {
    if (!match || match.distance > embedder.sameVoiceMax) return undefined
    const isTaken = found.some((other, j) => j !== i && other?.name === match.name && (other.distance < match.distance || (other.distance === match.distance && j < i)))
    return isTaken ? undefined : { name: match.name, voiceDistance: round(match.distance) }
  })
}
