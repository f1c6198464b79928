import { isWindlassError, messageOf, WindlassError, type ErrorKind } from '../../base/errors.ts'
import { parseDocument } from '../../documents/document.ts'
import { chunkBatches, embedChunks, type FormattedChunk } from '../chunk-batches.ts'
import { hashText, imageFormats, noText, readContent, type Content } from '../content.ts'
import type { ChunkDestination, Destination, DocumentVersion, DocumentWriter, FileDestination, Reference } from '../destinations/destination.ts'
import type { Source, SourceContent, SourceEntry } from '../sources/source.ts'
import type { FailureStep, FileState } from '../state/file-state.ts'
import type { Recipe } from './recipe.ts'

/** A failure, and where it happened. */
export class StepError extends Error {
  readonly step: FailureStep
  readonly kind: ErrorKind | undefined
  /** What destinations hold by now although the document as a whole failed. */
  readonly references: Readonly<Record<string, Reference>>

  constructor(step: FailureStep, cause: unknown, references: Readonly<Record<string, Reference>> = {}) {
    super(messageOf(cause), { cause })
    this.step = step
    this.kind = isWindlassError(cause) ? cause.kind : undefined
    this.references = references
  }
}

export interface DocumentWork {
  readonly entry: SourceEntry
  /** What is known of it. */
  readonly file: FileState | null
  /** A document of these bytes that is not in the source any more, and is ours now: what is stored of it becomes this one's. */
  renamedFrom(sha256: string): Promise<FileState | null>
  /** Whether destinations that hold these very bytes are written all the same. */
  readonly isFull: boolean
}

export type DocumentOutcome =
  /** `next` is set where the state is to note it all the same: the source's revision changed, and the bytes did not. */
  | { readonly status: 'unchanged'; readonly next: FileState | null; readonly bytesRead: number }
  | { readonly status: 'new' | 'changed' | 'renamed'; readonly next: FileState; readonly bytesRead: number; readonly chunksEmbedded: number; readonly chunksReused: number; readonly from?: FileState; readonly moved: ReadonlySet<string> }

interface Parts {
  readonly source: Source
  readonly destinations: readonly Destination[]
  readonly recipe: Recipe
  now(): number
  readonly signal?: AbortSignal
}

/** Brings one document into every destination, embedding only chunks whose text is new. @throws {StepError} */
export async function vectorizeDocument(work: DocumentWork, parts: Parts): Promise<DocumentOutcome> {
  const { entry, file } = work
  const { source, recipe, destinations, signal } = parts
  const isCurrent = file !== null && !file.failure && file.recipe === recipe.id && destinations.every(({ name }) => file.references[name] !== undefined) && !work.isFull
  const read = await step('loading', async () => {
    const answer = await source.read(entry, { ...(isCurrent && file.revision !== undefined && { knownRevision: file.revision }), ...(signal && { signal }) })
    if (answer.kind === 'unchanged') return null
    checkSize(entry, answer, recipe.parsing.bytesMax)
    return { answer, content: await readContent(() => answer.bytes()) }
  })
  if (!read) return { status: 'unchanged', next: null, bytesRead: 0 }
  const { answer, content } = read
  const { failure: _, revision: __, metadataHash: ___, ...known } = file ?? blank(entry)
  const revision = answer.revision ?? entry.revision
  const metadataHash = answer.metadata && hashText(JSON.stringify(answer.metadata)).slice(0, 16)
  const base = { ...known, ...(revision !== undefined && { revision }), ...(metadataHash !== undefined && { metadataHash }), sizeBytes: content.sizeBytes, recipe: recipe.id, model: recipe.model.name, vectorizedAt: parts.now() }
  if (isCurrent && file.sha256 === content.sha256 && file.metadataHash === metadataHash) {
    const next: FileState = { ...base, state: 'done', vectorizedAt: file.vectorizedAt }
    return { status: 'unchanged', next: revision === file.revision ? null : next, bytesRead: content.sizeBytes }
  }
  const from = file ? null : await work.renamedFrom(content.sha256)
  const document: DocumentVersion = { path: entry.path, sha256: content.sha256, sizeBytes: content.sizeBytes, metadata: { ...entry.metadata, ...answer.metadata, ...recipe.metadata }, ...contentTypeOf(entry, answer), ...(answer.title !== undefined && { title: answer.title }) }
  // Only what made these vectors may be compared with what will be made.
  const stored = from ?? file
  const isReusable = stored !== null && stored.model === recipe.model.name
  const references: Record<string, Reference> = { ...known.references }
  const holds = ({ name }: Destination) => file !== null && !work.isFull && file.recipe === recipe.id && file.sha256 === content.sha256 && file.metadataHash === metadataHash && file.references[name] !== undefined
  const takers = destinations.filter((each) => each.takes === 'chunks')
  const chunked = takers.every(holds)
    ? { hashes: known.chunkHashes, count: known.chunkCount, embedded: 0 }
    : await toChunkDestinations(document, content, { ...parts, destinations: takers, writeTo: takers.filter((each) => !holds(each)) }, stored && isReusable ? stored : null, references)
  const moved = await toFileDestinations(document, content, { ...parts, destinations: destinations.filter((each) => each.takes === 'files') }, { file: file?.metadataHash === metadataHash ? file : null, from, isFull: work.isFull }, references)
  const next: FileState = { ...base, state: 'done', sha256: content.sha256, references, chunkHashes: chunked.hashes, chunkCount: chunked.count }
  const counts = { bytesRead: content.sizeBytes, chunksEmbedded: chunked.embedded, chunksReused: chunked.count - chunked.embedded, moved }
  if (from) return { status: 'renamed', next, ...counts, from }
  return { status: file && file.sha256 !== '' ? 'changed' : 'new', next, ...counts }
}

/** What is known of a document that was never done. */
export function blank({ path, sizeBytes = 0 }: Pick<SourceEntry, 'path' | 'sizeBytes'>): FileState {
  return { path, state: 'failed', sha256: '', sizeBytes, recipe: '', model: '', chunkHashes: [], chunkCount: 0, references: {}, vectorizedAt: 0 }
}

async function step<Value>(name: FailureStep, task: () => Promise<Value>, references?: Readonly<Record<string, Reference>>): Promise<Value> {
  try {
    return await task()
  } catch (error) {
    throw error instanceof StepError ? error : new StepError(name, error, references)
  }
}

function checkSize(entry: SourceEntry, answer: Extract<SourceContent, { kind: 'found' }>, bytesMax: number | undefined): void {
  const size = answer.sizeBytes ?? entry.sizeBytes
  if (bytesMax !== undefined && size !== undefined && size > bytesMax) throw new WindlassError('too-large', `${entry.path} has ${size} bytes, and parsing.maxBytes is ${bytesMax}`, { path: entry.path })
}

function contentTypeOf(entry: SourceEntry, answer: Extract<SourceContent, { kind: 'found' }>): { contentType?: string } {
  const contentType = answer.contentType ?? entry.contentType
  return contentType === undefined ? {} : { contentType }
}

/** Parses and embeds once, for all of `writeTo`. The document's references are noted as each has taken it. */
async function toChunkDestinations(
  document: DocumentVersion,
  content: Content,
  { destinations, writeTo, recipe, signal }: Parts & { destinations: readonly ChunkDestination[]; writeTo: readonly ChunkDestination[] },
  stored: FileState | null,
  references: Record<string, Reference>,
): Promise<{ hashes: string[] | null; count: number; embedded: number }> {
  const places = new Map(stored?.chunkHashes?.map((hash, index) => [hash, index]))
  const hashes: string[] = []
  let embedded = 0
  const { bytesMax: _, ...parsing } = recipe.parsing
  const parsed = await step('parsing', () => parseDocument({ name: document.path, size: content.sizeBytes, open: () => content.open(), ...(document.contentType !== undefined && { contentType: document.contentType }) }, parsing))
  const title = document.title ?? parsed.title
  const version = { ...document, format: parsed.format, ...(title !== undefined && { title }) }
  const writers: { destination: ChunkDestination; writer: DocumentWriter }[] = []
  try {
    await step('storing', async () => {
      for (const destination of writeTo) writers.push({ destination, writer: await destination.begin(version, references[destination.name] ?? null, signal ? { signal } : {}) })
    })
    const batches = chunkBatches(parsed, { chunking: recipe.chunking, model: recipe.model, format: (chunk) => recipe.format(chunk, { path: document.path, title, metadata: document.metadata }), ...(signal && { signal }) })
    const iterator = batches[Symbol.asyncIterator]()
    for (;;) {
      const next = await step('parsing', () => iterator.next())
      if (next.done) break
      const batch = next.value
      const known = await step('storing', () => vectorsOf(batch, stored, places, destinations))
      const { chunks, embeddedCount } = await step('embedding', () => embedChunks(batch, known, recipe.model, signal))
      for (const { hash } of batch) hashes.push(hash)
      embedded += embeddedCount
      await step('storing', async () => {
        for (const { writer } of writers) await writer.write(chunks)
      })
    }
    if (hashes.length === 0 && imageFormats.has(parsed.format)) throw new StepError('parsing', noText(document.path))
  } catch (error) {
    await Promise.allSettled(writers.map(({ writer }) => writer.abort()))
    throw error
  }
  for (const { destination, writer } of writers) {
    // What one of them has taken stays: the next attempt finds it there.
    references[destination.name] = await step('storing', () => writer.commit(), { ...references })
  }
  return { hashes, count: hashes.length, embedded }
}

/** Vectors of a batch's chunks that some destination holds already. */
async function vectorsOf(batch: readonly FormattedChunk[], stored: FileState | null, places: ReadonlyMap<string, number>, destinations: readonly ChunkDestination[]): Promise<Map<string, Float32Array>> {
  const known = new Map<string, Float32Array>()
  if (!stored) return known
  for (const destination of destinations) {
    const wanted = batch.flatMap(({ hash }) => (places.has(hash) && !known.has(hash) ? [{ index: places.get(hash)!, hash }] : []))
    if (wanted.length === 0 || stored.references[destination.name] === undefined) continue
    const vectors = await destination.vectors(stored.path, stored.references[destination.name]!, wanted)
    wanted.forEach(({ hash }, i) => vectors[i] && known.set(hash, vectors[i]))
  }
  return known
}

/** @returns The destinations that gave what they held another path. */
async function toFileDestinations(
  document: DocumentVersion,
  content: Content,
  { destinations, signal }: Parts & { destinations: readonly FileDestination[] },
  { file, from, isFull }: { file: FileState | null; from: FileState | null; isFull: boolean },
  references: Record<string, Reference>,
): Promise<Set<string>> {
  const moved = new Set<string>()
  const options = signal ? { signal } : {}
  for (const destination of destinations) {
    const { name } = destination
    const before = references[name]
    // They get bytes, which another recipe does not change.
    if (file && before !== undefined && file.sha256 === document.sha256 && !isFull) continue
    await step(
      'storing',
      async () => {
        const old = from?.references[name]
        const renamed = old === undefined ? null : await rename(destination, document, old, options)
        if (renamed) {
          references[name] = renamed
          moved.add(name)
        } else references[name] = await destination.replace(document, () => content.open(), before ?? null, options)
      },
      { ...references },
    )
  }
  return moved
}

/** @returns Null where the destination cannot, or does not have it any more. */
async function rename(destination: FileDestination, document: DocumentVersion, old: Reference, options: { signal?: AbortSignal }): Promise<Reference | null> {
  try {
    return (await destination.rename?.(document, old, options)) ?? null
  } catch (error) {
    if (!isWindlassError(error, 'not-found')) throw error
    return null
  }
}
