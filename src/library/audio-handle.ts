import { chunksOf as groupsOf } from '../base/groups.ts'
import { isWindlassError } from '../base/errors.ts'
import { energyVoiceActivity } from '../audio/voice-activity.ts'
import type { AudioContext, AudioEvent, AudioParts, TranscriptIndex, VoiceBook } from '../audio/finish-recording.ts'
import { isSnippet, RecordingBucket } from '../audio/recording-bucket.ts'
import type { Recording } from '../audio/recording.ts'
import { Recordings } from '../audio/recordings.ts'
import { AudioScratch, type AudioScratchSettings } from '../audio/scratch-file.ts'
import type { TranscriptChunk } from '../audio/transcribe.ts'
import { VoiceStatistics } from '../audio/voice-statistics.ts'
import { parseFilter } from '../engine/query/filter.ts'
import type { RowInput } from '../engine/types.ts'
import type { Metadata } from '../format/record.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { PrefixStore } from '../store/prefix-store.ts'
import type { LibraryContext } from './collection-handle.ts'
import { voicesPrefix, type BucketHandle } from './bucket-handle.ts'
import type { Passage, SearchOptions } from './types.ts'

/** How recordings are worked on. Everything has a default: no model and no key are needed, and nothing is transcribed. */
export interface AudioOptions {
  /** Collection that transcripts are searched in; default `audio`. */
  readonly collection?: string
  readonly scratch?: AudioScratchSettings
  /** What is used in place of what is built in; asked for once, when a recording is first worked on. */
  readonly parts?: () => Promise<Partial<AudioParts>>
  readonly onEvent?: (event: AudioEvent) => void
}

/** Something that was said. */
export interface HeardPassage {
  readonly recording: string
  /** Of the recording. */
  readonly name: string
  readonly speaker: string
  readonly speakerName?: string
  /** Seconds from the start of the recording. */
  readonly start: number
  readonly end: number
  readonly language?: string
  readonly text: string
  readonly highlights: Passage['highlights']
  readonly score: number
  /** Where the speaker's snippet is: a URL for an hour, where the store has such; else the object. */
  readonly snippet: string
}

const snippetSecondsDefault = 15
const scratchBudgetBytes = 2 * 1024 ** 3
const rowsAtOnce = 200

/** The recordings of a bucket, and searches in what is said in them. */
export class AudioHandle extends Recordings {
  readonly #bucket: BucketHandle
  readonly #collection: string

  constructor(bucket: BucketHandle, context: AudioContext, collection: string) {
    super(context)
    this.#bucket = bucket
    this.#collection = collection
  }

  /** Finds what was said, by meaning and by words. Nothing where nothing was transcribed yet. */
  async search(question: string, options: SearchOptions = {}): Promise<HeardPassage[]> {
    let passages: Passage[]
    try {
      passages = await (await this.#bucket.collection(this.#collection)).search(question, options)
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return []
      throw error
    }
    const heard = passages.filter(({ metadata }) => isSnippet(metadata.recording, metadata.speaker))
    return Promise.all(heard.map(async ({ source, text, highlights, score, metadata }) => ({ ...placeOf(metadata), name: source, text, highlights, score, snippet: await this.snippetLink(String(metadata.recording), String(metadata.speaker)) })))
  }
}

/** Opens the recordings of a bucket. Contacts nobody yet. */
export function openAudio(bucket: BucketHandle, store: ObjectStore, library: LibraryContext, { collection = 'audio', scratch, parts = async () => ({}), onEvent = () => undefined }: AudioOptions): AudioHandle {
  const { clock, random } = library
  let opened: Promise<AudioParts> | null = null
  const open = async (): Promise<AudioParts> => ({ voiceActivity: energyVoiceActivity, embedder: new VoiceStatistics(), transcriber: null, snippetSeconds: snippetSecondsDefault, ...(await parts()) })
  const context: AudioContext = {
    bucket: new RecordingBucket(new PrefixStore(store, 'audio/')),
    // What could not be opened is tried again next time.
    parts: () => (opened ??= open().catch((error: unknown) => {
      opened = null
      throw error
    })),
    close: async () => {
      const parts = await opened?.catch(() => null)
      opened = null
      await parts?.close?.()
    },
    scratch: new AudioScratch(scratch ?? { budgetBytes: scratchBudgetBytes }, random),
    index: new CollectionIndex(bucket, library, collection),
    voices: (audioParts) => new CollectionVoices(bucket, audioParts),
    forgetVoices: (recording) => forgetVoices(bucket, library, recording),
    clock,
    random,
    onEvent,
  }
  return new AudioHandle(bucket, context, collection)
}

function placeOf({ recording, speaker, speakerName, start, end, language }: Metadata): Pick<HeardPassage, 'recording' | 'speaker' | 'speakerName' | 'start' | 'end' | 'language'> {
  return {
    recording: String(recording),
    speaker: String(speaker),
    ...(typeof speakerName === 'string' && { speakerName }),
    start: Number(start),
    end: Number(end),
    ...(typeof language === 'string' && { language }),
  }
}

/** Passages of transcripts as rows of a collection. */
class CollectionIndex implements TranscriptIndex {
  readonly #bucket: BucketHandle
  readonly #library: LibraryContext
  readonly #name: string

  constructor(bucket: BucketHandle, library: LibraryContext, name: string) {
    this.#bucket = bucket
    this.#library = library
    this.#name = name
  }

  async replace(recording: Recording, chunks: readonly TranscriptChunk[], signal?: AbortSignal): Promise<void> {
    const { database, loadModel } = this.#library
    const model = await loadModel()
    await this.#bucket.getOrCreateCollection(this.#name)
    let isFirst = true
    for (const group of groupsOf(chunks, rowsAtOnce)) {
      const vectors = await model.embed(group.map(({ text }) => text), { kind: 'document', ...(signal && { signal }) })
      const rows = group.map((chunk, i): RowInput => ({ key: rowKey(recording, chunk), vector: vectors[i]!, document: chunk.text, metadata: metadataOf(recording, chunk) }))
      // What an earlier attempt wrote goes in the same commit as the first of what takes its place.
      const before = isFirst ? [{ op: 'delete-where' as const, filter: parseFilter({ recording: recording.id }) }] : []
      isFirst = false
      await database.with(this.#name, (collection) => collection.write({ operations: [...before, ...rows.map((row) => ({ op: 'put' as const, row }))], embeddingModel: model.name }, signal ? { signal } : {}))
    }
  }

  async rename(recording: Recording, chunks: readonly TranscriptChunk[]): Promise<void> {
    for (const group of groupsOf(chunks, rowsAtOnce)) {
      const operations = group.map((chunk) => ({ op: 'patch' as const, key: rowKey(recording, chunk), metadata: metadataOf(recording, chunk) }))
      await this.#library.database.with(this.#name, (collection) => collection.write({ operations }))
    }
  }

  async remove(recording: Recording): Promise<void> {
    await removeRows(this.#bucket, this.#name, recording.id)
  }
}

function rowKey({ id }: Recording, { index }: TranscriptChunk): string {
  return `${id}/${String(index).padStart(6, '0')}`
}

function metadataOf({ id, name, speakers }: Recording, { speaker, start, end, language }: TranscriptChunk): Metadata {
  const speakerName = speakers.find((each) => each.id === speaker)?.name
  return { source: name, recording: id, speaker, start, end, ...(speakerName !== undefined && { speakerName }), ...(language !== undefined && { language }) }
}

/** Named voices as rows of a collection: one for each way of making them, as they cannot be compared. */
class CollectionVoices implements VoiceBook {
  readonly #bucket: BucketHandle
  readonly #embedder: AudioParts['embedder']
  readonly #name: string

  constructor(bucket: BucketHandle, { embedder }: AudioParts) {
    this.#bucket = bucket
    this.#embedder = embedder
    this.#name = voicesPrefix + embedder.name
  }

  async nearest(voice: Float32Array): Promise<{ name: string; distance: number } | null> {
    try {
      const { matches } = await (await this.#bucket.collection(this.#name)).query({ vector: voice, k: 1, include: { metadata: true } })
      const [match] = matches
      return match?.distance === undefined ? null : { name: String(match.metadata?.name), distance: match.distance }
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return null
      throw error
    }
  }

  async put(recording: string, speaker: string, name: string, voice: Float32Array): Promise<void> {
    const collection = await this.#bucket.getOrCreateCollection(this.#name, { dimension: this.#embedder.dimension, metric: this.#embedder.metric })
    await collection.put([{ key: `${recording}/${speaker}`, vector: voice, metadata: { name, recording, speaker } }])
  }
}

/** In every collection of voices: some may have been named with another embedder. */
async function forgetVoices(bucket: BucketHandle, { database }: LibraryContext, recording: string): Promise<void> {
  let after: string | undefined
  do {
    const { names, next } = await database.catalog.list({ prefix: voicesPrefix, ...(after !== undefined && { after }) })
    for (const name of names) await removeRows(bucket, name, recording)
    after = next
  } while (after !== undefined)
}

async function removeRows(bucket: BucketHandle, collection: string, recording: string): Promise<void> {
  try {
    await (await bucket.collection(collection)).deleteWhere({ recording })
  } catch (error) {
    if (!isWindlassError(error, 'not-found')) throw error
  }
}
