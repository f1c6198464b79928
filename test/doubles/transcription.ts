// A double of OpenAI's /v1/audio/transcriptions on 127.0.0.1: multipart in, JSON out, failures on purpose, and a journal of what it was asked.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeSamples, sampleRate } from '../../src/audio/pcm.ts'
import { readWavLayout } from '../../src/audio/wav.ts'

export interface Heard {
  readonly model: string
  readonly format: string
  readonly language: string | null
  readonly authorization: string | undefined
  readonly samples: Float32Array
  readonly seconds: number
}

export interface Said {
  readonly text: string
  readonly language?: string
  readonly segments?: readonly { readonly start: number; readonly end: number; readonly text: string }[]
}

export interface TranscriptionDouble {
  /** Up to `/v1`. */
  readonly url: string
  readonly journal: Heard[]
  /** Statuses that the next requests are answered with; 0 cuts the connection. */
  readonly failures: number[]
  /** From here on requests are taken, and not answered. */
  hold(): void
  close(): Promise<void>
}

/** @param say What is heard in a request. Segments are given to those who ask for `verbose_json`. @param isPlain Knows no `verbose_json`, as `gpt-4o-transcribe` does not. */
export async function startTranscription(say: (heard: Heard, index: number) => Said, { isPlain = false } = {}): Promise<TranscriptionDouble> {
  const journal: Heard[] = []
  const failures: number[] = []
  let isHeld = false
  const server = createServer((message, response) => {
    const answer = (status: number, json: unknown) => response.writeHead(status, { 'content-type': 'application/json', ...(status === 429 && { 'retry-after': '0.01' }) }).end(JSON.stringify(json))
    void readForm(message).then(
      (form) => {
        const failure = failures.shift()
        if (failure === 0) return message.socket.destroy()
        if (failure !== undefined) return answer(failure, { error: { message: `on purpose: ${failure}, to ${message.headers.authorization ?? 'nobody'}` } })
        if (isHeld) return
        if (message.url !== '/v1/audio/transcriptions' || message.method !== 'POST') return answer(404, { error: { message: 'no such route' } })
        const format = String(form.get('response_format'))
        if (isPlain && format !== 'json') return answer(400, { error: { message: `response_format '${format}' is not compatible with model` } })
        const heard = { ...form.speech, model: String(form.get('model')), format, language: form.get('language') as string | null, authorization: message.headers.authorization }
        journal.push(heard)
        const { text, language, segments } = say(heard, journal.length - 1)
        return answer(200, format === 'verbose_json' ? { task: 'transcribe', duration: heard.seconds, text, language, segments: segments ?? [] } : { text })
      },
      (error: unknown) => answer(400, { error: { message: String(error) } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    journal,
    failures,
    hold: () => void (isHeld = true),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readForm(message: IncomingMessage): Promise<FormData & { speech: { samples: Float32Array; seconds: number } }> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  const form = await new Response(Buffer.concat(parts), { headers: { 'content-type': message.headers['content-type'] ?? '' } }).formData()
  const bytes = new Uint8Array(await (form.get('file') as File).arrayBuffer())
  const layout = readWavLayout(bytes, bytes.length)
  if (layout?.sampleRate !== sampleRate) throw new Error('not a WAV file at 16 kHz')
  const samples = decodeSamples(bytes.subarray(layout.dataStart, layout.dataEnd))
  return Object.assign(form, { speech: { samples, seconds: samples.length / sampleRate } })
}
