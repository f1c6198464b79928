// A double of OpenAI's HTTP API, from its public reference: files, uploads, vector stores, embeddings. State in memory.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Busboy, type BusboyHeaders } from '@fastify/busboy'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { ApiError, type Answer, type DoubleRequest, type ReceivedFile } from './answers.ts'
import { answerEmbeddings, openAiLimits, tokensOf, type EmbeddingLimits } from './embeddings.ts'
import { Faults } from './faults.ts'
import { answerFiles } from './files.ts'
import { RateLimit } from './rate-limit.ts'
import { OpenAiState } from './state.ts'
import { answerVectorStores } from './vector-stores.ts'

export interface OpenAiDoubleOptions {
  readonly key?: string
  /** Default: a free one. */
  readonly port?: number
  readonly clock?: Clock
  /** Of ids. */
  readonly seed?: number
  /** How long a file is processed after it is attached. Default 30. */
  readonly processingMs?: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  /** Waits so long before it answers an embeddings request. */
  readonly embeddingMs?: number
  readonly embeddingLimits?: Partial<EmbeddingLimits>
  /** Contents above this size are counted and forgotten. Default 8 MiB. */
  readonly keptBytesMax?: number
}

export interface OpenAiDouble {
  /** Base URL, with `/v1`. */
  readonly url: string
  readonly key: string
  readonly state: OpenAiState
  readonly faults: Faults
  close(): Promise<void>
}

/** Starts the double on 127.0.0.1. */
export async function startOpenAiDouble(options: OpenAiDoubleOptions = {}): Promise<OpenAiDouble> {
  const { key = 'sk-double-0123456789abcdef', port = 0, clock = systemClock, seed = 1, processingMs = 30 } = options
  const state = new OpenAiState({ clock, random: seededRandom(seed), processingMs })
  const faults = new Faults()
  const rate = new RateLimit(clock, options.requestsPerMinute, options.tokensPerMinute)
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })

  const serve = async (message: IncomingMessage, response: ServerResponse) => {
    const url = new URL(message.url ?? '/', 'http://double')
    const path = url.pathname.replace(/^\/v1/, '')
    const note = (status: number) => state.journal.push({ method: message.method ?? '', path, status })
    const fault = faults.next(`${message.method} ${path}`)
    if (fault?.kind === 'stall') return void note(0)
    const failed: Answer = { status: fault?.status ?? 500, ...(fault?.headers && { headers: fault.headers }), json: new ApiError(fault?.status ?? 500, 'The server had an error while processing your request. Sorry about that!').body }
    const answer = await answerTo(message, url, path, fault?.kind === 'cut' || fault?.kind === 'status' ? fault.kind : null)
    if (fault?.kind === 'cut' || fault?.kind === 'lost') {
      note(0)
      message.socket.destroy()
    } else {
      const told = fault ? failed : answer
      note(told.status ?? 200)
      send(response, told, clock)
    }
  }

  const answerTo = async (message: IncomingMessage, url: URL, path: string, skipped: 'cut' | 'status' | null): Promise<Answer> => {
    try {
      const request = await readRequest(message, url, path, options.keptBytesMax ?? 8 * 1024 * 1024)
      if (skipped) return {}
      checkKey(message, key)
      const isEmbedding = path === '/embeddings'
      const headers = rate.take(isEmbedding ? tokensOf(request.body) : 0)
      if (isEmbedding && options.embeddingMs) await clock.sleep(options.embeddingMs)
      const answer = answerFiles(state, request) ?? answerVectorStores(state, request) ?? answerEmbeddings(state, request, { ...openAiLimits, ...options.embeddingLimits })
      if (!answer) throw new ApiError(404, `Invalid URL (${request.method} ${url.pathname})`)
      return { ...answer, headers: { ...headers, ...answer.headers } }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return { status: error.status, headers: error.headers, json: error.body }
    }
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    key,
    state,
    faults,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(response: ServerResponse, { status = 200, headers, json, bytes }: Answer, clock: Clock): void {
  const body = bytes ?? Buffer.from(JSON.stringify(json))
  response.writeHead(status, { 'content-type': bytes ? 'application/octet-stream' : 'application/json', 'content-length': body.length, date: new Date(clock.now()).toUTCString(), 'x-request-id': 'req_double', ...headers })
  response.end(body)
}

function checkKey(message: IncomingMessage, key: string): void {
  const given = /^Bearer (.+)$/.exec(message.headers.authorization ?? '')?.[1]
  if (given === undefined) throw new ApiError(401, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.")
  // The real one quotes the key's ends.
  if (given !== key) throw new ApiError(401, `Incorrect API key provided: ${given.slice(0, 8)}${'*'.repeat(8)}${given.slice(-4)}. You can find your API key at https://platform.openai.com/account/api-keys.`, { code: 'invalid_api_key' })
}

async function readRequest(message: IncomingMessage, url: URL, path: string, keptBytesMax: number): Promise<DoubleRequest> {
  const request = { method: message.method ?? 'GET', path, query: url.searchParams, body: {}, fields: new Map<string, string>(), files: new Map<string, ReceivedFile>() }
  const type = message.headers['content-type'] ?? ''
  if (type.startsWith('multipart/form-data')) {
    await readMultipart(message, request.fields, request.files, keptBytesMax)
    return request
  }
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString()
  if (text === '') return request
  try {
    return { ...request, body: JSON.parse(text) as Record<string, unknown> }
  } catch {
    throw new ApiError(400, 'We could not parse the JSON body of your request.')
  }
}

function readMultipart(message: IncomingMessage, fields: Map<string, string>, files: Map<string, ReceivedFile>, keptBytesMax: number): Promise<void> {
  const parser = new Busboy({ headers: message.headers as BusboyHeaders, preservePath: true })
  return new Promise((resolve, reject) => {
    parser.on('field', (name, value) => fields.set(name, value))
    parser.on('file', (name, stream, filename) => {
      let parts: Buffer[] | null = []
      let bytes = 0
      stream.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > keptBytesMax) parts = null
        parts?.push(part)
      })
      stream.on('end', () => files.set(name, { filename: filename ?? '', bytes, content: parts && Buffer.concat(parts) }))
      stream.on('error', reject)
    })
    parser.on('finish', resolve)
    parser.on('error', reject)
    message.on('error', reject)
    message.on('aborted', () => reject(new Error('the request was cut')))
    message.pipe(parser)
  })
}
