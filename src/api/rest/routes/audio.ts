import { z } from 'zod'
import { audioContentType } from '../../../audio/content-type.ts'
import { rangeOf } from '../../../audio/serve-bytes.ts'
import { WindlassError } from '../../../base/errors.ts'
import type { Role } from '../../access.ts'
import type { ApiContext } from '../../context.ts'
import { parseJsonText } from '../../json.ts'
import { streamMultipartFile } from '../../multipart-file.ts'
import { route, type Route, type RouteRequest, type RouteResult } from '../route.ts'

const idParams = z.object({ id: z.string() })
const speakerParams = z.object({ id: z.string(), speaker: z.string().describe('speaker-1 and on') })
const segment = z.strictObject({ speaker: z.string(), start: z.number(), end: z.number() })
const line = z.strictObject({ speaker: z.string(), start: z.number(), end: z.number(), text: z.string(), language: z.string().optional() })
const speaker = z.strictObject({
  id: z.string(),
  name: z.string().optional(),
  voiceDistance: z.number().optional().describe('The name came by voice: how far this one is from the named one'),
  seconds: z.number(),
  snippetSeconds: z.number().optional().describe('Absent where there is no snippet yet, or they never speak alone'),
})
const recording = z.strictObject({
  formatVersion: z.number().int(),
  id: z.string(),
  name: z.string(),
  contentType: z.string(),
  sizeBytes: z.number().int(),
  state: z.enum(['uploading', 'stored', 'diarized', 'transcribed', 'cut', 'done', 'failed']),
  error: z.string().optional(),
  createdAt: z.string(),
  updatedAt: z.string(),
  seconds: z.number().optional(),
  language: z.string().optional(),
  speakers: z.array(speaker),
  chunkCount: z.number().int().optional(),
  transcriber: z.string().nullable().optional(),
})
const details = z.strictObject({ recording, segments: z.array(segment), transcript: z.array(line) })
const hit = z.strictObject({
  recording: z.string(),
  name: z.string(),
  speaker: z.string(),
  speakerName: z.string().optional(),
  start: z.number(),
  end: z.number(),
  language: z.string().optional(),
  text: z.string(),
  highlights: z.array(z.strictObject({ start: z.number().int(), end: z.number().int() })),
  score: z.number(),
  snippet: z.string().describe('Path of the snippet on this server'),
  snippetUrl: z.string().optional().describe('Where the store gives out the snippet itself, for an hour'),
})
const linkSeconds = 3600

/** Checks the key against the collection that transcripts are in, and opens the recordings. */
function open<Params, Query, Body>({ access, context }: RouteRequest<Params, Query, Body>, role: Role): ReturnType<ApiContext['audio']['open']> {
  access.require(role, context.audio.collection)
  return context.audio.open()
}

/** Recordings: who speaks when, what they say. */
export const audioRoutes: Route[] = [
  route({
    method: 'post',
    path: '/v1/audio',
    operationId: 'addRecording',
    summary: 'Store a recording, as it is or as multipart/form-data; it goes to the bucket as it comes, and is worked on from then on',
    tag: 'audio',
    role: 'write',
    query: z.object({ name: z.string().optional().describe('Name of the file'), language: z.string().optional().describe('ISO 639-1; absent: as it is heard') }),
    rawBody: { '*/*': 'The recording', 'multipart/form-data': 'One file' },
    answers: { 201: { description: 'Stored', schema: recording } },
    async handle(request) {
      const { query: { name, language }, raw, context } = request
      const audio = await open(request, 'write')
      if (!raw.body) throw new WindlassError('invalid', 'the request has no body: send the recording', { path: 'body' })
      const type = raw.headers.get('content-type') ?? ''
      const isMultipart = /^multipart\//i.test(type)
      const file = isMultipart ? await streamMultipartFile(raw) : { name: name ?? 'recording', contentType: type, bytes: raw.body as AsyncIterable<Uint8Array> }
      const shown = name ?? file.name
      const contentType = /^(audio|video)\//i.test(file.contentType) ? file.contentType : audioContentType(shown)
      const stored = await audio.add({ name: shown, contentType, bytes: bounded(file.bytes, context.uploadBytesMax), ...(language !== undefined && { language }) }, { signal: raw.signal })
      context.audio.wake()
      return { status: 201, json: stored }
    },
  }),
  route({
    method: 'get',
    path: '/v1/audio',
    operationId: 'listRecordings',
    summary: 'Recordings, oldest first',
    tag: 'audio',
    role: 'read',
    query: z.object({ limit: z.coerce.number().int().min(1).max(1000).optional(), after: z.string().optional().describe('From the page before: its `next`') }),
    answers: { 200: { description: 'A page', schema: z.strictObject({ recordings: z.array(recording), next: z.string().optional() }) } },
    async handle(request) {
      const { limit = 100, after } = request.query
      return { json: await (await open(request, 'read')).list({ limit, ...(after !== undefined && { after }), signal: request.raw.signal }) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/audio/search',
    operationId: 'searchAudio',
    summary: 'Find what was said, by meaning and by words',
    tag: 'audio',
    role: 'read',
    body: z.strictObject({ query: z.string(), k: z.number().int().min(1).max(1000).optional(), filter: z.record(z.string(), z.unknown()).optional().describe('On recording, speaker, speakerName, language, start, end') }),
    answers: { 200: { description: 'Best first', schema: z.strictObject({ passages: z.array(hit) }) } },
    handle: async (request) => found(request, request.body),
  }),
  route({
    method: 'get',
    path: '/v1/audio/search',
    operationId: 'searchAudioByQuery',
    summary: 'Find what was said, by meaning and by words',
    tag: 'audio',
    role: 'read',
    query: z.object({ q: z.string(), k: z.coerce.number().int().min(1).max(1000).optional(), filter: z.string().optional().describe('Filter as JSON') }),
    answers: { 200: { description: 'Best first', schema: z.strictObject({ passages: z.array(hit) }) } },
    handle: async (request) => found(request, { query: request.query.q, k: request.query.k, filter: request.query.filter === undefined ? undefined : parseJsonText(request.query.filter, 'filter') }),
  }),
  route({
    method: 'post',
    path: '/v1/audio/uploads',
    operationId: 'beginAudioUpload',
    summary: 'A URL that a client PUTs a recording to, past this server: up to 5 GB; where the bucket is on S3',
    tag: 'audio',
    role: 'write',
    body: z.strictObject({ name: z.string().min(1), contentType: z.string().max(200).optional().describe('The client sends the same'), language: z.string().optional() }),
    answers: { 201: { description: 'For an hour; then POST /v1/audio/uploads/{id}', schema: z.strictObject({ id: z.string(), url: z.string(), contentType: z.string() }) } },
    async handle(request) {
      const { name, contentType = audioContentType(name), language } = request.body
      return { status: 201, json: await (await open(request, 'write')).beginUpload({ name, contentType, ...(language !== undefined && { language }) }, { expiresInSeconds: linkSeconds }) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/audio/uploads/{id}',
    operationId: 'completeAudioUpload',
    summary: 'The client has sent everything',
    tag: 'audio',
    role: 'write',
    params: idParams,
    answers: { 200: { description: 'Stored', schema: recording } },
    async handle(request) {
      const stored = await (await open(request, 'write')).completeUpload(request.params.id)
      request.context.audio.wake()
      return { json: stored }
    },
  }),
  route({
    method: 'get',
    path: '/v1/audio/{id}',
    operationId: 'getRecording',
    summary: 'A recording: its speakers, who speaks when, what they say',
    tag: 'audio',
    role: 'read',
    params: idParams,
    answers: { 200: { description: 'The recording', schema: details } },
    async handle(request) {
      const { recording: known, segments, transcript } = await (await open(request, 'read')).show(request.params.id)
      return { json: { recording: known, segments: segments?.segments ?? [], transcript: transcript?.lines ?? [] } }
    },
  }),
  route({
    method: 'delete',
    path: '/v1/audio/{id}',
    operationId: 'deleteRecording',
    summary: 'Delete a recording, its snippets, its passages and the voices named in it',
    tag: 'audio',
    role: 'write',
    params: idParams,
    answers: { 204: { description: 'Deleted' } },
    async handle(request) {
      await (await open(request, 'write')).remove(request.params.id)
      return { status: 204 }
    },
  }),
  route({
    method: 'post',
    path: '/v1/audio/{id}/again',
    operationId: 'repeatRecording',
    summary: 'Begin a recording anew: with other models, or because it failed',
    tag: 'audio',
    role: 'write',
    params: idParams,
    answers: { 200: { description: 'It is worked on', schema: recording } },
    async handle(request) {
      const stored = await (await open(request, 'write')).again(request.params.id)
      request.context.audio.wake()
      return { json: stored }
    },
  }),
  route({
    method: 'put',
    path: '/v1/audio/{id}/speakers/{speaker}',
    operationId: 'nameSpeaker',
    summary: 'Name a speaker; later recordings know the voice',
    tag: 'audio',
    role: 'write',
    params: speakerParams,
    body: z.strictObject({ name: z.string() }),
    answers: { 200: { description: 'Named', schema: recording } },
    handle: async (request) => ({ json: await (await open(request, 'write')).name(request.params.id, request.params.speaker, request.body.name) }),
  }),
  route({
    method: 'get',
    path: '/v1/audio/{id}/source',
    operationId: 'getRecordingSource',
    summary: 'The recording as it came; ranges are honoured',
    tag: 'audio',
    role: 'read',
    params: idParams,
    answers: mediaAnswers('The bytes', '*/*'),
    handle: async (request) => media(await (await open(request, 'read')).file(request.params.id, null), request.raw),
  }),
  route({
    method: 'get',
    path: '/v1/audio/{id}/snippets/{speaker}',
    operationId: 'getSnippet',
    summary: "A speaker's snippet; ranges are honoured",
    tag: 'audio',
    role: 'read',
    params: speakerParams,
    answers: mediaAnswers('A WAV file', 'audio/wav'),
    handle: async (request) => media(await (await open(request, 'read')).file(request.params.id, request.params.speaker), request.raw),
  }),
]

function mediaAnswers(description: string, contentType: string): Route['answers'] {
  return { 200: { description, contentType }, 206: { description: 'The range that was asked for', contentType }, 416: { description: 'The range begins after the end' } }
}

async function found<Params, Query, Body>(request: RouteRequest<Params, Query, Body>, { query, k, filter }: { query: string; k?: number | undefined; filter?: unknown }): Promise<RouteResult> {
  const audio = await open(request, 'read')
  const passages = await audio.search(query, { signal: request.raw.signal, ...(k !== undefined && { k }), ...(filter !== undefined && { filter }) })
  return { json: { passages: passages.map(({ snippet, ...passage }) => ({ ...passage, snippet: `/v1/audio/${passage.recording}/snippets/${passage.speaker}`, ...(/^https?:/.test(snippet) && { snippetUrl: snippet }) })) } }
}

type MediaFile = Awaited<ReturnType<Awaited<ReturnType<ApiContext['audio']['open']>>['file']>>

function media({ sizeBytes, contentType, read }: MediaFile, raw: Request): RouteResult {
  const { start, end, isPart } = rangeOf(raw.headers.get('range'), sizeBytes)
  if (isPart && start >= end) return { status: 416, text: '', headers: { 'content-range': `bytes */${sizeBytes}` } }
  // What somebody uploaded must not become a page of this server.
  const type = /^(audio|video)\/[\w.+-]+$/i.test(contentType) ? contentType : 'application/octet-stream'
  const headers = { 'accept-ranges': 'bytes', 'content-length': String(end - start), ...(isPart && { 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` }) }
  return { status: isPart ? 206 : 200, contentType: type, headers, stream: read(start, end, raw.signal) }
}

async function* bounded(bytes: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const part of bytes) {
    size += part.length
    if (size > max) throw new WindlassError('too-large', `the recording has more than ${max} bytes: raise WINDLASS_UPLOAD_LIMIT, or use POST /v1/audio/uploads`, { path: 'body' })
    yield part
  }
}
