import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { decodeJson, encodeJson, type Recording, type Segments, type Transcript } from './recording.ts'

/** A recording and the version of it that was read. */
export interface StoredRecording {
  readonly recording: Recording
  readonly etag: string
}

const idPattern = /^[0-9a-hjkmnp-tv-z]{26}$/
const speakerPattern = /^speaker-[1-9]\d{0,5}$/
const changesMax = 20

/**
 * Recordings in the bucket, below `audio/`:
 * ```text
 * audio/recordings/<id>/source                 the file as it came
 * audio/recordings/<id>/recording.json         state and speakers; replaced with If-Match
 * audio/recordings/<id>/segments.json          who speaks when
 * audio/recordings/<id>/transcript.json        what they say
 * audio/recordings/<id>/snippets/<speaker>.wav
 * audio/pending/<id>                           this one is not finished
 * audio/claims/<id>                            who is at work on it; economy only
 * ```
 */
export class RecordingBucket {
  readonly store: ObjectStore

  /** @param store Below `audio/`. */
  constructor(store: ObjectStore) {
    this.store = store
  }

  /** @throws {WindlassError} `not-found`, `corrupt`. */
  async get(id: string): Promise<StoredRecording> {
    const found = await this.find(id)
    if (!found) throw noRecording(id)
    return found
  }

  async find(id: string): Promise<StoredRecording | null> {
    if (!idPattern.test(id)) return null
    const key = keyOf(id, 'recording.json')
    const answer = await this.store.get(key, { fresh: true })
    return answer.kind === 'found' ? { recording: decodeJson<Recording>(answer.bytes, `${this.store.url}/${key}`, ['speakers']), etag: answer.etag } : null
  }

  /** Makes a recording known, and known as unfinished. */
  async create(recording: Recording): Promise<void> {
    await this.store.put(`pending/${recording.id}`, new Uint8Array(0))
    await this.store.put(keyOf(recording.id, 'recording.json'), encodeJson(recording), { condition: { ifAbsent: true }, contentType: 'application/json' })
  }

  /** Replaces what was read, and nothing else. @throws {WindlassError} `conflict` when it has changed, or is gone. */
  async replace({ etag }: StoredRecording, recording: Recording): Promise<StoredRecording> {
    const put = await this.store.put(keyOf(recording.id, 'recording.json'), encodeJson(recording), { condition: { ifMatch: etag }, contentType: 'application/json' })
    return { recording, etag: put.etag }
  }

  /** Changes a recording, whoever else does; nothing where `change` gives what it was given. @throws {WindlassError} `not-found`. */
  async update(id: string, change: (recording: Recording) => Recording): Promise<Recording> {
    for (let attempt = 1; ; attempt++) {
      const stored = await this.get(id)
      const changed = change(stored.recording)
      if (changed === stored.recording) return changed
      try {
        return (await this.replace(stored, changed)).recording
      } catch (error) {
        if (attempt >= changesMax || !isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      }
    }
  }

  async segments(id: string): Promise<Segments | null> {
    const key = keyOf(id, 'segments.json')
    const answer = await this.store.get(key, { fresh: true })
    return answer.kind === 'found' ? decodeJson<Segments>(answer.bytes, `${this.store.url}/${key}`, ['segments', 'speakers']) : null
  }

  async transcript(id: string): Promise<Transcript | null> {
    const key = keyOf(id, 'transcript.json')
    const answer = await this.store.get(key, { fresh: true })
    return answer.kind === 'found' ? decodeJson<Transcript>(answer.bytes, `${this.store.url}/${key}`, ['lines']) : null
  }

  async putJson(id: string, file: 'segments.json' | 'transcript.json', value: Segments | Transcript): Promise<void> {
    await this.store.put(keyOf(id, file), encodeJson(value), { contentType: 'application/json' })
  }

  /** Ids of recordings, oldest first. */
  async *ids({ after, signal }: { after?: string; signal?: AbortSignal } = {}): AsyncGenerator<string> {
    // A `0` comes after every `/`: all of a recording is passed over.
    for await (const { key } of this.store.list('recordings/', { ...(after !== undefined && { startAfter: `recordings/${after}0` }), ...(signal && { signal }) })) {
      const [, id, file] = key.split('/')
      if (file === 'recording.json') yield id!
    }
  }

  /** Ids of recordings that are not finished. */
  async pending(): Promise<string[]> {
    const ids: string[] = []
    for await (const { key } of this.store.list('pending/')) if (idPattern.test(key.slice('pending/'.length))) ids.push(key.slice('pending/'.length))
    return ids
  }

  /** Makes a recording known as finished, if it is: it may have been begun anew since that was read. */
  async settle(id: string): Promise<void> {
    await this.store.delete([`pending/${id}`])
    const state = (await this.find(id))?.recording.state
    if (state !== undefined && state !== 'done' && state !== 'failed') await this.reopen(id)
  }

  /** Makes a recording unfinished again. */
  async reopen(id: string): Promise<void> {
    await this.store.put(`pending/${id}`, new Uint8Array(0))
  }

  /** Removes the snippets of a recording but those of `speakers`. */
  async keepSnippets(id: string, speakers: readonly string[]): Promise<void> {
    const kept = new Set(speakers.map((speaker) => snippetKey(id, speaker)))
    const keys: string[] = []
    for await (const { key } of this.store.list(`recordings/${id}/snippets/`)) if (!kept.has(key)) keys.push(key)
    if (keys.length > 0) await this.store.delete(keys)
  }

  /**
   * Removes all of a recording; what names it goes last, so that a removal that was cut short can be repeated.
   * @param isAwaited A client may still send it, past us: that it is unfinished stays known, so that what comes is found and removed.
   */
  async remove(id: string, { isAwaited = false } = {}): Promise<void> {
    await this.#removeFiles(id)
    await this.store.delete([keyOf(id, 'recording.json')])
    // Who worked on it may have written some since; from here on they notice, and remove what they write.
    await this.#removeFiles(id)
    await this.store.delete(isAwaited ? [`claims/${id}`] : [`pending/${id}`, `claims/${id}`])
  }

  async #removeFiles(id: string): Promise<void> {
    const keys: string[] = []
    for await (const { key } of this.store.list(`recordings/${id}/`)) if (!key.endsWith('/recording.json')) keys.push(key)
    if (keys.length > 0) await this.store.delete(keys)
  }
}

/** The error for an id that is none's. */
export function noRecording(id: string): WindlassError {
  return new WindlassError('not-found', `there is no recording ${JSON.stringify(id.slice(0, 60))}: \`windlass audio ls\` lists them`, { path: 'id' })
}

/** The key of a file of a recording, below `audio/`. */
export function keyOf(id: string, file: 'source' | 'recording.json' | 'segments.json' | 'transcript.json'): string {
  return `recordings/${id}/${file}`
}

/** @throws {WindlassError} `not-found` for what is no speaker's id. */
export function snippetKey(id: string, speaker: string): string {
  if (!isSnippet(id, speaker)) throw new WindlassError('not-found', `recording ${JSON.stringify(id.slice(0, 60))} has no speaker ${JSON.stringify(speaker.slice(0, 60))}`, { path: 'speaker' })
  return `recordings/${id}/snippets/${speaker}.wav`
}

/** Whether there may be such a snippet: rows of searches can be anybody's. */
export function isSnippet(id: unknown, speaker: unknown): boolean {
  return typeof id === 'string' && typeof speaker === 'string' && idPattern.test(id) && speakerPattern.test(speaker)
}
