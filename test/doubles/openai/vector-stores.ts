import { ApiError, badParameter, notFound, pageOf, type Answer, type DoubleRequest } from './answers.ts'
import { searchStore } from './search.ts'
import type { Attributes, ChunkingStrategy, FileBatch, LastError, OpenAiState, StoredFile, StoreEntry, VectorStore } from './state.ts'

const batchFilesMax = 2000
const attributesMax = 16
const keyLengthMax = 64
const valueLengthMax = 512
// What file search reads, from the guide "Supported files"; text that comes under another name is refused.
const extensions = new Set('c cpp cs css doc docx go html java js json md pdf php pptx py rb sh tex ts txt'.split(' '))

/** Routes of `/vector_stores`; null when the path is none of them. */
export function answerVectorStores(state: OpenAiState, request: DoubleRequest): Answer | null {
  const [root, id, part, ...rest] = request.path.slice(1).split('/')
  if (root !== 'vector_stores') return null
  if (id === undefined) return answerAll(state, request)
  const store = state.stores.get(id)
  if (!store) throw new ApiError(404, `Vector store with id '${id}' not found.`)
  if (part === undefined) return answerStore(state, store, request)
  if (part === 'files') return answerEntries(state, store, request, rest)
  if (part === 'file_batches') return answerBatches(state, store, request, rest)
  if (part !== 'search' || request.method !== 'POST') return null
  store.lastActiveAt = state.seconds()
  return { json: searchStore(state, store, request.body) }
}

function answerAll(state: OpenAiState, { method, query, body }: DoubleRequest): Answer | null {
  if (method === 'GET') return { json: pageOf([...state.stores.values()].map((store) => showStore(state, store)), query) }
  if (method !== 'POST') return null
  const store: VectorStore = {
    id: state.newId('vs_'),
    name: typeof body.name === 'string' ? body.name : null,
    metadata: checkPairs('metadata', body.metadata, true) as Readonly<Record<string, string>>,
    expiresAfter: (body.expires_after as VectorStore['expiresAfter'] | undefined) ?? null,
    createdAt: state.seconds(),
    lastActiveAt: state.seconds(),
    entries: new Map(),
    batches: new Map(),
  }
  for (const fileId of (body.file_ids as string[] | undefined) ?? []) attach(state, store, { file_id: fileId, chunking_strategy: body.chunking_strategy })
  state.stores.set(store.id, store)
  return { json: showStore(state, store) }
}

function answerStore(state: OpenAiState, store: VectorStore, { method, body }: DoubleRequest): Answer | null {
  if (method === 'DELETE') {
    state.stores.delete(store.id)
    return { json: { id: store.id, object: 'vector_store.deleted', deleted: true } }
  }
  if (method === 'POST') {
    if (typeof body.name === 'string') store.name = body.name
    if (body.metadata !== undefined) store.metadata = checkPairs('metadata', body.metadata, true) as Readonly<Record<string, string>>
    if (body.expires_after !== undefined) store.expiresAfter = body.expires_after as VectorStore['expiresAfter']
  } else if (method !== 'GET') return null
  return { json: showStore(state, store) }
}

function answerEntries(state: OpenAiState, store: VectorStore, { method, query, body }: DoubleRequest, [id, action]: string[]): Answer | null {
  if (id === undefined) {
    if (method === 'POST') return { json: showEntry(state, store, attach(state, store, body)) }
    if (method !== 'GET') return null
    return { json: pageOf(filterByStatus(state, [...store.entries.values()], query).map((entry) => showEntry(state, store, entry)), query) }
  }
  const entry = store.entries.get(id)
  if (!entry) throw notFound('file', id)
  if (action === 'content' && method === 'GET') return { json: { object: 'vector_store.file_content.page', data: entry.chunks.map((text) => ({ type: 'text', text })), has_more: false, next_page: null } }
  if (action !== undefined) return null
  if (method === 'DELETE') {
    store.entries.delete(id)
    return { json: { id, object: 'vector_store.file.deleted', deleted: true } }
  }
  if (method === 'POST') entry.attributes = checkPairs('attributes', body.attributes, false)
  else if (method !== 'GET') return null
  return shownWithPoll(state, entry.readyAt, showEntry(state, store, entry))
}

function answerBatches(state: OpenAiState, store: VectorStore, { method, query, body }: DoubleRequest, [id, action]: string[]): Answer | null {
  if (id === undefined) {
    if (method !== 'POST') return null
    return { json: showBatch(state, store, startBatch(state, store, body)) }
  }
  const batch = store.batches.get(id)
  if (!batch) throw notFound('file batch', id)
  if (method === 'POST' && action === 'cancel') {
    batch.cancelled = true
    for (const entry of batch.entries) if (state.statusOf(entry) === 'in_progress') entry.cancelled = true
  } else if (method === 'GET' && action === 'files') {
    return { json: pageOf(filterByStatus(state, batch.entries, query).map((entry) => showEntry(state, store, entry)), query) }
  } else if (method !== 'GET' || action !== undefined) return null
  return shownWithPoll(state, Math.max(...batch.entries.map((entry) => entry.readyAt)), showBatch(state, store, batch))
}

function startBatch(state: OpenAiState, store: VectorStore, body: DoubleRequest['body']): FileBatch {
  const { file_ids: fileIds, files } = body as { file_ids?: string[]; files?: { file_id: string; attributes?: unknown; chunking_strategy?: unknown }[] }
  if ((fileIds === undefined) === (files === undefined)) throw badParameter('file_ids', "Exactly one of 'file_ids' and 'files' must be given.")
  const wanted = files ?? fileIds!.map((id) => ({ file_id: id, attributes: body.attributes, chunking_strategy: body.chunking_strategy }))
  if (wanted.length === 0 || wanted.length > batchFilesMax) throw badParameter(files ? 'files' : 'file_ids', `Expected an array with 1 to ${batchFilesMax} items, but got ${wanted.length} instead.`)
  // Everything is looked at before anything is attached.
  for (const each of wanted) checkAttachment(state, each)
  const entries = wanted.map((each) => attach(state, store, each))
  const batch = { id: state.newId('vsfb_'), createdAt: state.seconds(), fileIds: wanted.map((each) => each.file_id), entries, cancelled: false }
  store.batches.set(batch.id, batch)
  return batch
}

function checkAttachment(state: OpenAiState, body: DoubleRequest['body']): { file: StoredFile; attributes: Attributes; chunking: ChunkingStrategy } {
  const id = body.file_id
  if (typeof id !== 'string') throw badParameter('file_id', "Missing required parameter: 'file_id'.", 'missing_required_parameter')
  const file = state.files.get(id)
  if (!file) throw badParameter('file_id', `File with id '${id}' not found.`)
  return { file, attributes: checkPairs('attributes', body.attributes, false), chunking: checkChunking(body.chunking_strategy) }
}

/** Attaching again what is attached changes nothing but its attributes: the entry's id is the File's. */
function attach(state: OpenAiState, store: VectorStore, body: DoubleRequest['body']): StoreEntry {
  const { file, attributes, chunking } = checkAttachment(state, body)
  const text = file.content ? new TextDecoder().decode(file.content) : ''
  const size = chunking.static.max_chunk_size_tokens * 4
  const present = store.entries.get(file.id)
  if (present) {
    present.attributes = attributes
    return present
  }
  const entry: StoreEntry = {
    id: file.id,
    createdAt: state.seconds(),
    attributes,
    chunking,
    readyAt: state.clock.now() + state.processingMs,
    failure: judge(state, file),
    cancelled: false,
    chunks: Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size)),
    filename: file.filename,
  }
  store.entries.set(entry.id, entry)
  return entry
}

function judge(state: OpenAiState, file: StoredFile): LastError | null {
  const judgement = state.judge(file)
  if (judgement !== undefined) return judgement
  const extension = /\.([^.]+)$/.exec(file.filename)?.[1] ?? ''
  return extensions.has(extension) ? null : { code: 'unsupported_file', message: `Files with extensions [.${extension}] are not supported for retrieval.` }
}

function checkChunking(strategy: unknown): ChunkingStrategy {
  const { type, static: sizes } = (strategy ?? { type: 'auto' }) as { type: string; static?: { max_chunk_size_tokens: number; chunk_overlap_tokens: number } }
  if (type === 'auto') return { type: 'static', static: { max_chunk_size_tokens: 800, chunk_overlap_tokens: 400 } }
  if (type !== 'static' || !sizes) throw badParameter('chunking_strategy', `Invalid value: '${type}'.`, 'invalid_value')
  const { max_chunk_size_tokens: size, chunk_overlap_tokens: overlap } = sizes
  if (!(size >= 100 && size <= 4096)) throw badParameter('chunking_strategy', `max_chunk_size_tokens must be between 100 and 4096, but is ${size}.`)
  if (!(overlap >= 0 && overlap <= size / 2)) throw badParameter('chunking_strategy', `chunk_overlap_tokens must be at most half of max_chunk_size_tokens, but is ${overlap}.`)
  return { type, static: sizes }
}

function checkPairs(param: string, pairs: unknown, onlyText: boolean): Attributes {
  const entries = Object.entries((pairs ?? {}) as Record<string, unknown>)
  if (entries.length > attributesMax) throw badParameter(param, `Invalid '${param}': too many properties. Expected an object with at most ${attributesMax} properties, but got an object with ${entries.length} properties instead.`, 'object_above_max_properties')
  for (const [key, value] of entries) {
    const allowed = onlyText ? ['string'] : ['string', 'number', 'boolean']
    if (!allowed.includes(typeof value)) throw badParameter(param, `Invalid type for '${param}.${key}': expected one of ${allowed.join(', ')}.`, 'invalid_type')
    if (key.length === 0 || key.length > keyLengthMax) throw badParameter(param, `Invalid '${param}': a key has ${key.length} characters, at most ${keyLengthMax} are allowed.`)
    if (typeof value === 'string' && value.length > valueLengthMax) throw badParameter(param, `Invalid '${param}.${key}': string too long. Expected a string with maximum length ${valueLengthMax}, but got a string with length ${value.length} instead.`, 'string_above_max_length')
  }
  return Object.fromEntries(entries) as Attributes
}

function filterByStatus(state: OpenAiState, entries: readonly StoreEntry[], query: URLSearchParams): readonly StoreEntry[] {
  const filter = query.get('filter')
  return filter === null ? entries : entries.filter((entry) => state.statusOf(entry) === filter)
}

function shownWithPoll(state: OpenAiState, readyAt: number, json: unknown): Answer {
  const left = readyAt - state.clock.now()
  return { json, ...(left > 0 && { headers: { 'openai-poll-after-ms': String(Math.max(5, Math.min(left, 1000))) } }) }
}

function countsOf(state: OpenAiState, entries: Iterable<StoreEntry>) {
  const counts = { in_progress: 0, completed: 0, failed: 0, cancelled: 0, total: 0 }
  for (const entry of entries) {
    counts[state.statusOf(entry)]++
    counts.total++
  }
  return counts
}

function showStore(state: OpenAiState, store: VectorStore) {
  const counts = countsOf(state, store.entries.values())
  const expiresAt = store.expiresAfter ? store.lastActiveAt + store.expiresAfter.days * 86_400 : null
  const status = expiresAt !== null && state.seconds() >= expiresAt ? 'expired' : counts.in_progress > 0 ? 'in_progress' : 'completed'
  return {
    id: store.id,
    object: 'vector_store',
    created_at: store.createdAt,
    name: store.name,
    usage_bytes: [...store.entries.values()].reduce((sum, entry) => sum + usageOf(state, entry), 0),
    file_counts: counts,
    status,
    expires_after: store.expiresAfter,
    expires_at: expiresAt,
    last_active_at: store.lastActiveAt,
    metadata: store.metadata,
  }
}

function usageOf(state: OpenAiState, entry: StoreEntry): number {
  return state.statusOf(entry) === 'completed' ? entry.chunks.reduce((sum, chunk) => sum + chunk.length, 0) : 0
}

function showEntry(state: OpenAiState, store: VectorStore, entry: StoreEntry) {
  const status = state.statusOf(entry)
  return {
    id: entry.id,
    object: 'vector_store.file',
    usage_bytes: usageOf(state, entry),
    created_at: entry.createdAt,
    vector_store_id: store.id,
    status,
    last_error: status === 'failed' ? entry.failure : null,
    chunking_strategy: entry.chunking,
    attributes: entry.attributes,
  }
}

function showBatch(state: OpenAiState, store: VectorStore, batch: FileBatch) {
  const counts = countsOf(state, batch.entries)
  const status = batch.cancelled ? 'cancelled' : counts.in_progress > 0 ? 'in_progress' : 'completed'
  return { id: batch.id, object: 'vector_store.file_batch', created_at: batch.createdAt, vector_store_id: store.id, status, file_counts: counts }
}
