import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { languageCode, type Heard, type Transcriber } from './transcriber.ts'
import { encodeWav } from './wav.ts'

/** A server that speaks OpenAI's `/audio/transcriptions`. */
export interface OpenAiTranscriberSettings {
  readonly model: string
  /** Up to `/v1`; default: OpenAI. */
  readonly baseUrl?: string
  readonly apiKey?: string
}

const attemptsMax = 5
const pauseFirstMs = 500
const pauseMaxMs = 30_000
const timeoutMs = 300_000
const answerBytesMax = 4 * 1024 * 1024

interface Answer {
  readonly text?: unknown
  readonly language?: unknown
  readonly segments?: unknown
}

/** Speech into text over HTTP: OpenAI, or whatever speaks its API (whisper.cpp, faster-whisper, vLLM). What fails for now is tried again, with growing pauses. */
export class OpenAiTranscriber implements Transcriber {
  readonly name: string
  readonly secondsMax = 28
  readonly atOnce = 4
  readonly #settings: OpenAiTranscriberSettings
  readonly #clock: Clock
  readonly #random: Random
  /** Some servers and models know no `verbose_json`: then it is not asked for again. */
  #isVerbose = true

  constructor(settings: OpenAiTranscriberSettings, { clock, random }: { clock: Clock; random: Random }) {
    this.name = `openai:${settings.model}`
    this.#settings = settings
    this.#clock = clock
    this.#random = random
  }

  async transcribe(samples: Float32Array, { language, signal }: { language?: string; signal?: AbortSignal | undefined }): Promise<Heard> {
    const wav = encodeWav(samples)
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal)
      // Of requests that are out together, all must be asked again, not the first alone.
      const wasVerbose = this.#isVerbose
      try {
        return toHeard(await this.#ask(wav, wasVerbose, language, signal))
      } catch (error) {
        if (wasVerbose && isWindlassError(error, 'invalid') && /verbose_json|response_format/.test(error.message)) {
          this.#isVerbose = false
          continue
        }
        if (attempt >= attemptsMax || !isWindlassError(error, 'unavailable')) throw error
        const pause = Math.min(pauseMaxMs, pauseFirstMs * 2 ** (attempt - 1))
        await this.#clock.sleep(error.details.retryAfterMs ?? pause * (0.5 + this.#random.next()), signal)
      }
    }
  }

  async #ask(wav: Uint8Array, isVerbose: boolean, language: string | undefined, signal: AbortSignal | undefined): Promise<Answer> {
    const { model, baseUrl = 'https://api.openai.com/v1', apiKey } = this.#settings
    const url = `${baseUrl.replace(/\/+$/, '')}/audio/transcriptions`
    const form = new FormData()
    form.set('file', new Blob([wav as Uint8Array<ArrayBuffer>], { type: 'audio/wav' }), 'speech.wav')
    form.set('model', model)
    form.set('response_format', isVerbose ? 'verbose_json' : 'json')
    if (language !== undefined) form.set('language', language)
    let response: Response
    let text: string
    try {
      const ends = AbortSignal.timeout(timeoutMs)
      response = await fetch(url, { method: 'POST', body: form, signal: signal ? AbortSignal.any([signal, ends]) : ends, ...(apiKey !== undefined && { headers: { authorization: `Bearer ${apiKey}` } }) })
      text = await readText(response)
    } catch (cause) {
      throwIfAborted(signal)
      if (isWindlassError(cause)) throw cause
      throw new WindlassError('unavailable', `${url}: ${this.#withoutKey(messageOf((cause as Error).cause ?? cause))}`, { cause })
    }
    if (!response.ok) throw refusal(url, response, this.#withoutKey(text))
    try {
      return JSON.parse(text) as Answer
    } catch {
      throw new WindlassError('unavailable', `${url} answered ${JSON.stringify(this.#withoutKey(text).slice(0, 100))}, expected JSON`)
    }
  }

  /** Messages are logged, and kept in the bucket. */
  #withoutKey(text: string): string {
    const { apiKey } = this.#settings
    return apiKey ? text.replaceAll(apiKey, '***') : text
  }
}

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > answerBytesMax) throw new WindlassError('unavailable', `the transcription server answered more than ${answerBytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function refusal(url: string, { status, headers }: Response, text: string): WindlassError {
  const message = `${url} answered ${status}: ${text.slice(0, 300).replace(/\s+/g, ' ')}`
  const wait = Number(headers.get('retry-after'))
  // What servers say of a key they refuse often has a part of it.
  if (status === 401) return new WindlassError('unauthenticated', `${url} answered 401, it does not take the key: set WINDLASS_TRANSCRIPTION_KEY`, { status })
  if (status === 403) return new WindlassError('denied', message, { status })
  if (status === 404) return new WindlassError('not-found', `${message}: is this the base URL, and the model there?`, { status })
  if (status === 408 || status === 409 || status === 429 || status >= 500) return new WindlassError('unavailable', message, { status, ...(wait > 0 && { retryAfterMs: Math.min(wait * 1000, 60_000) }) })
  return new WindlassError('invalid', message, { status })
}

function toHeard({ text, language, segments }: Answer): Heard {
  if (typeof text !== 'string') throw new WindlassError('unavailable', 'the transcription server answered without text')
  const code = languageCode(typeof language === 'string' ? language : undefined)
  const parts = Array.isArray(segments) ? (segments as { start?: unknown; end?: unknown; text?: unknown }[]).flatMap(({ start, end, text: part }) => (typeof start === 'number' && typeof end === 'number' && typeof part === 'string' ? [{ start, end, text: part }] : [])) : []
  return { text, ...(code !== undefined && { language: code }), ...(parts.length > 0 && { parts }) }
}
