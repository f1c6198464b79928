import { toIsoTime } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { newId, timeOfId } from '../base/random.ts'
import { claimed } from '../models/claim.ts'
import { finishRecording, removeRecording, type AudioContext } from './finish-recording.ts'
import { keyOf, noRecording, snippetKey } from './recording-bucket.ts'
import type { Recording, Segments, Transcript } from './recording.ts'
import { chunksOf } from './transcribe.ts'

/** A recording to take in. */
export interface RecordingInput {
  readonly name: string
  readonly contentType?: string
  /** ISO 639-1; default: as it is heard. */
  readonly language?: string
  readonly bytes: AsyncIterable<Uint8Array>
}

/** A recording with all that is known of it. */
export interface RecordingDetails {
  readonly recording: Recording
  readonly segments: Segments | null
  readonly transcript: Transcript | null
}

const uploadMaxMs = 24 * 3600 * 1000
const readAtOnce = 16
const waitFirstMs = 60_000
const waitMaxMs = 3_600_000
const nameLengthMax = 500

/** The recordings of a bucket. */
export class Recordings {
  readonly #context: AudioContext
  /** Recordings that did not go well, and when they are tried again; another process tries at once. */
  readonly #waits = new Map<string, { readonly failures: number; readonly until: number }>()

  constructor(context: AudioContext) {
    this.#context = context
  }

  /**
   * Takes a recording in: its bytes go to the bucket as they come. It is worked on by `work`.
   * @throws {WindlassError} `invalid` for one without bytes.
   */
  async add({ name, contentType = 'application/octet-stream', language, bytes }: RecordingInput, { signal }: { signal?: AbortSignal } = {}): Promise<Recording> {
    const { bucket } = this.#context
    const recording = await this.#begin(name, contentType, language)
    let sizeBytes = 0
    const counted = async function* () {
      for await (const part of bytes) {
        sizeBytes += part.length
        yield part
      }
    }
    try {
      if (!bucket.store.upload) throw new WindlassError('unsupported', `${bucket.store.url} takes no uploads: use s3://, file: or memory:`, { path: 'bucket' })
      await bucket.store.upload(keyOf(recording.id, 'source'), counted(), { contentType, ...(signal && { signal }) })
      if (sizeBytes === 0) throw new WindlassError('invalid', `${JSON.stringify(name)} has no bytes: send the file`, { path: 'body' })
      return await this.#stored(recording.id, sizeBytes)
    } catch (error) {
      await bucket.remove(recording.id).catch(() => undefined)
      throw error
    }
  }

  /**
   * A place for a client to send a recording to, past this process: one PUT of up to 5 GB. `completeUpload` follows.
   * @throws {WindlassError} `unsupported` where the store has no such URLs.
   */
  async beginUpload({ name, contentType = 'application/octet-stream', language }: Omit<RecordingInput, 'bytes'>, { expiresInSeconds = 3600 } = {}): Promise<{ readonly id: string; readonly url: string; readonly contentType: string }> {
    const { bucket } = this.#context
    if (!bucket.store.presign) throw new WindlassError('unsupported', `${bucket.store.url} has no URLs for clients: send the recording to POST /v1/audio`, { path: 'bucket' })
    const { id } = await this.#begin(name, contentType, language)
    return { id, url: await bucket.store.presign(keyOf(id, 'source'), { method: 'PUT', expiresInSeconds, contentType }), contentType }
  }

  /** The client has sent everything. @throws {WindlassError} `conflict` when nothing is there yet. */
  async completeUpload(id: string): Promise<Recording> {
    const { bucket } = this.#context
    const { recording } = await bucket.get(id)
    if (recording.state !== 'uploading') return recording
    const head = await bucket.store.head(keyOf(id, 'source'))
    if (!head || head.size === 0) throw new WindlassError('conflict', `recording ${id} has not arrived: PUT it to the URL first`, { path: 'id' })
    return this.#stored(id, head.size)
  }

  /** Recordings from the newest of `after` on, oldest first. */
  async list({ after, limit = 1000, signal }: { after?: string; limit?: number; signal?: AbortSignal } = {}): Promise<{ recordings: Recording[]; next?: string }> {
    const ids: string[] = []
    let next: string | undefined
    for await (const id of this.#context.bucket.ids({ ...(after !== undefined && { after }), ...(signal && { signal }) })) {
      if (ids.length === limit) {
        next = ids.at(-1)
        break
      }
      ids.push(id)
    }
    const recordings: Recording[] = []
    for (let at = 0; at < ids.length; at += readAtOnce) {
      const found = await Promise.all(ids.slice(at, at + readAtOnce).map((id) => this.#known(id)))
      recordings.push(...found.filter((recording) => recording !== null))
    }
    return { recordings, ...(next !== undefined && { next }) }
  }

  /** @throws {WindlassError} `not-found`. */
  async get(id: string): Promise<Recording> {
    return (await this.#context.bucket.get(id)).recording
  }

  /** @throws {WindlassError} `not-found`. */
  async show(id: string): Promise<RecordingDetails> {
    const { bucket } = this.#context
    const recording = await this.get(id)
    const [segments, transcript] = await Promise.all([bucket.segments(id), bucket.transcript(id)])
    return { recording, segments, transcript }
  }

  /** A file of a recording: the snippet of a speaker, or the recording as it came. @throws {WindlassError} `not-found`. */
  async file(id: string, speaker: string | null): Promise<{ readonly key: string; readonly sizeBytes: number; readonly contentType: string; read(start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array>; presign?(expiresInSeconds: number): Promise<string> }> {
    const { store } = this.#context.bucket
    const recording = await this.get(id)
    const key = speaker === null ? keyOf(id, 'source') : snippetKey(id, speaker)
    const head = await store.head(key)
    if (!head) throw new WindlassError('not-found', speaker === null ? `recording ${id} has not arrived` : `recording ${id} has no snippet of ${speaker}: it is ${recording.state}`, { path: speaker === null ? 'id' : 'speaker' })
    return {
      key,
      sizeBytes: head.size,
      contentType: speaker === null ? recording.contentType : 'audio/wav',
      read: (start, end, signal) => readRange(store, key, start, end, signal),
      ...(store.presign && { presign: (expiresInSeconds: number) => store.presign!(key, { method: 'GET', expiresInSeconds }) }),
    }
  }

  /** Where a snippet is: a URL for an hour, where the store has such; else the object's key. */
  async snippetLink(id: string, speaker: string): Promise<string> {
    const { store } = this.#context.bucket
    const key = snippetKey(id, speaker)
    return store.presign ? store.presign(key, { method: 'GET', expiresInSeconds: 3600 }) : `${store.url}/${key}`
  }

  /** Names a speaker; later recordings know the voice. @throws {WindlassError} `not-found`, `conflict` before it is known who speaks. */
  async name(id: string, speaker: string, name: string): Promise<Recording> {
    const { bucket, index } = this.#context
    if (name.trim() === '' || name.length > nameLengthMax) throw new WindlassError('invalid', `the name has ${name.trim().length} characters, expected 1 to ${nameLengthMax}`, { path: 'name' })
    await bucket.get(id)
    const parts = await this.#context.parts()
    const segments = await bucket.segments(id)
    const recording = await bucket.update(id, (before) => {
      if (!before.speakers.some((each) => each.id === speaker)) throw new WindlassError(before.speakers.length === 0 ? 'conflict' : 'not-found', `recording ${id} has no speaker ${JSON.stringify(speaker.slice(0, 60))}: ${before.speakers.length === 0 ? `it is ${before.state}` : `it has ${before.speakers.map((each) => each.id).join(', ')}`}`, { path: 'speaker' })
      const speakers = before.speakers.map((each) => {
        const { voiceDistance: _, ...rest } = each
        return each.id === speaker ? { ...rest, name: name.trim().normalize('NFC') } : each
      })
      return { ...before, speakers, updatedAt: toIsoTime(this.#context.clock.now()) }
    })
    const voice = segments?.embedder === parts.embedder.name ? segments.speakers.find((each) => each.id === speaker)?.voice : undefined
    if (voice) await this.#context.voices(parts).put(id, speaker, name.trim().normalize('NFC'), Float32Array.from(voice))
    const chunks = chunksOf((await bucket.transcript(id))?.lines ?? [])
    if (recording.state === 'done' && chunks.length > 0) await index.rename(recording, chunks)
    return recording
  }

  /** Removes a recording, its snippets, its passages and the voices named in it. @throws {WindlassError} `not-found`. */
  async remove(id: string): Promise<void> {
    const recording = await this.#known(id)
    if (!recording) throw noRecording(id)
    await removeRecording(recording, this.#context)
  }

  /** Begins a recording anew, from its bytes: with other models, or because it failed. */
  async again(id: string): Promise<Recording> {
    const { bucket, clock } = this.#context
    await bucket.get(id)
    await bucket.reopen(id)
    await bucket.store.delete([keyOf(id, 'transcript.json')])
    const recording = await bucket.update(id, (before) => {
      if (before.state === 'uploading') return before
      const { error: _, ...rest } = before
      return { ...rest, state: 'stored', speakers: [], updatedAt: toIsoTime(clock.now()) }
    })
    // Who finished it a moment ago may have settled it between the two.
    await bucket.reopen(id)
    this.#waits.delete(id)
    return recording
  }

  /** Finishes a recording, or waits until the process that is at work on it has. @throws what may go well later. */
  async finish(id: string, signal?: AbortSignal): Promise<Recording> {
    const { bucket, clock, random } = this.#context
    // A claim is an object: none for what is no recording.
    await bucket.get(id)
    const finished = await claimed(
      `claims/${id}`,
      { store: bucket.store, clock, random, signal },
      async () => {
        const { recording } = await bucket.get(id)
        return recording.state === 'done' || recording.state === 'failed' ? recording : null
      },
      () => finishRecording(id, this.#context, signal),
    )
    // Who finished it may have died before it said so.
    await bucket.settle(id)
    return finished
  }

  /**
   * Finishes all recordings that are not finished, one after another, each by one process of those that do this. One that did not go well is left out for a
   * minute, then two, up to an hour, unless it is begun `again`.
   * @returns What came of each.
   */
  async work(signal?: AbortSignal): Promise<{ readonly id: string; readonly recording?: Recording; readonly error?: Error }[]> {
    const { bucket, clock, random } = this.#context
    const results: { id: string; recording?: Recording; error?: Error }[] = []
    const ids = await bucket.pending()
    // Several processes begin in different places, so that they do not wait for each other.
    const first = Math.floor(random.next() * ids.length)
    for (const id of this.#waits.keys()) if (!ids.includes(id)) this.#waits.delete(id)
    for (const id of [...ids.slice(first), ...ids.slice(0, first)]) {
      if (signal?.aborted) break
      const failures = this.#waits.get(id)?.failures ?? 0
      if (failures > 0 && clock.monotonic() < this.#waits.get(id)!.until) continue
      try {
        const stored = await bucket.find(id)
        if (!stored || stored.recording.state === 'uploading') await this.#dropLate(id)
        else results.push({ id, recording: await this.finish(id, signal) })
        this.#waits.delete(id)
      } catch (error) {
        // Removed meanwhile; a model or a server's route that is not there is told.
        if (isWindlassError(error, 'not-found') && (await bucket.find(id).catch(() => true)) === null) continue
        this.#waits.set(id, { failures: failures + 1, until: clock.monotonic() + Math.min(waitMaxMs, waitFirstMs * 2 ** failures) })
        results.push({ id, error: error instanceof Error ? error : new Error(messageOf(error)) })
      }
    }
    return results
  }

  /** Lets go of models. */
  async close(): Promise<void> {
    await this.#context.close()
  }

  async #begin(name: string, contentType: string, language: string | undefined): Promise<Recording> {
    const { bucket, clock, random } = this.#context
    if (language !== undefined && !/^[a-z]{2,3}$/.test(language)) throw new WindlassError('invalid', `language is ${JSON.stringify(language.slice(0, 40))}, expected a code like en or he`, { path: 'language' })
    const now = toIsoTime(clock.now())
    const recording: Recording = {
      formatVersion: 1,
      id: newId(clock.now(), random),
      name: name.slice(0, nameLengthMax),
      contentType,
      sizeBytes: 0,
      state: 'uploading',
      createdAt: now,
      updatedAt: now,
      speakers: [],
      ...(language !== undefined && { language }),
    }
    await bucket.create(recording)
    return recording
  }

  /** What is known of a recording; of one whose `recording.json` is damaged, that: others are listed all the same, and it can be removed. */
  async #known(id: string): Promise<Recording | null> {
    try {
      return (await this.#context.bucket.find(id))?.recording ?? null
    } catch (error) {
      if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
      const createdAt = toIsoTime(timeOfId(id))
      return { formatVersion: 1, id, name: id, contentType: 'application/octet-stream', sizeBytes: 0, state: 'failed', error: error.message, createdAt, updatedAt: createdAt, speakers: [] }
    }
  }

  #stored(id: string, sizeBytes: number): Promise<Recording> {
    // It may be known already, and be worked on, or done: it was said twice, or the answer was lost.
    return this.#context.bucket.update(id, (recording) => (recording.state === 'uploading' ? { ...recording, state: 'stored', sizeBytes, updatedAt: toIsoTime(this.#context.clock.now()) } : recording))
  }

  /** An upload that has not come within a day does not come any more. */
  async #dropLate(id: string): Promise<void> {
    if (this.#context.clock.now() - timeOfId(id) > uploadMaxMs) await this.#context.bucket.remove(id)
  }
}

const partBytes = 1024 * 1024

async function* readRange(store: AudioContext['bucket']['store'], key: string, start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += partBytes) {
    const answer = await store.get(key, { range: { start: at, end: Math.min(end, at + partBytes) }, ...(signal && { signal }) })
    if (answer.kind !== 'found') throw new WindlassError('not-found', `${store.url}/${key} was removed`, { key })
    yield answer.bytes
  }
}
