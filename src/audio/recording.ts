import { WindlassError } from '../base/errors.ts'

/**
 * How far a recording is. `uploading`: its bytes are on their way; `stored`: they are in the bucket; `diarized`: who speaks when is known; `transcribed`; `cut`: so are
 * the snippets; `done`: it is found by searches. `failed`: it cannot be read, see `error`.
 */
export type RecordingState = 'uploading' | 'stored' | 'diarized' | 'transcribed' | 'cut' | 'done' | 'failed'

/** Somebody who speaks in a recording. */
export interface Speaker {
  /** `speaker-1` and on, in the order in which they first speak. */
  readonly id: string
  /** Given by hand, or known by voice. */
  readonly name?: string
  /** Set where the name came by voice: how far this voice is from the named one. */
  readonly voiceDistance?: number
  /** How long they speak in all. */
  readonly seconds: number
  /** Absent until it is cut, and where they never speak alone. */
  readonly snippetSeconds?: number
}

/** What is known of a recording: `recording.json`, replaced by compare-and-swap. */
export interface Recording {
  readonly formatVersion: 1
  readonly id: string
  /** The file's name as it came. */
  readonly name: string
  readonly contentType: string
  readonly sizeBytes: number
  readonly state: RecordingState
  /** Why it failed; or what the last attempt stopped at, if it may go well later. */
  readonly error?: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly updatedAt: string
  /** Length of the sound. */
  readonly seconds?: number
  /** As asked for, or as heard: an ISO 639-1 code. */
  readonly language?: string
  readonly speakers: readonly Speaker[]
  /** Passages of the transcript that searches find. */
  readonly chunkCount?: number
  /** What made of it what is there; null: nothing. */
  readonly transcriber?: string | null
}

/** One person speaks, [start, end) in seconds. */
export interface Segment {
  readonly speaker: string
  readonly start: number
  readonly end: number
}

/** Who speaks when: `segments.json`. Segments of different speakers may overlap. */
export interface Segments {
  readonly formatVersion: 1
  readonly recording: string
  readonly seconds: number
  /** What the voices were made by. */
  readonly embedder: string
  readonly speakers: readonly { readonly id: string; readonly voice: readonly number[] }[]
  readonly segments: readonly Segment[]
}

/** What was said in a stretch of a recording. */
export interface TranscriptLine extends Segment {
  /** In the order in which it is spoken and read, NFC; nothing is reordered for right-to-left scripts. */
  readonly text: string
  readonly language?: string
}

/** `transcript.json`; written again as the work goes on. */
export interface Transcript {
  readonly formatVersion: 1
  readonly recording: string
  readonly transcriber: string
  readonly piecesDone: number
  readonly piecesTotal: number
  readonly lines: readonly TranscriptLine[]
}

/** JSON as it lies in the bucket. */
export function encodeJson(value: Recording | Segments | Transcript): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`)
}

/** @throws {WindlassError} `corrupt` for what is not ours, `unsupported` for a newer format. */
export function decodeJson<Value extends Recording | Segments | Transcript>(bytes: Uint8Array, place: string, lists: readonly (keyof Value)[]): Value {
  let value: (Value & { formatVersion?: unknown }) | null
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Value
  } catch (cause) {
    throw new WindlassError('corrupt', `${place} is not JSON: remove the recording, and add it again`, { key: place, cause })
  }
  const version: unknown = value?.formatVersion
  if (typeof version === 'number' && version > 1) throw new WindlassError('unsupported', `${place} has format ${version}, expected 1: upgrade`, { key: place })
  if (version !== 1 || lists.some((list) => !Array.isArray(value?.[list]))) throw new WindlassError('corrupt', `${place} is not what it should be: remove the recording, and add it again`, { key: place })
  return value!
}
