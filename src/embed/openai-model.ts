import { startTimer, type Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { EmbeddingModel, TextKind } from './embedding-model.ts'
import { failureOf, rateLimitsOf, readAnswer, RequestFailure, retryAfterOf, type EmbeddingAnswer } from './openai-answer.ts'
import { knownModels } from './openai-catalogue.ts'
import { RequestPacer } from './request-pacer.ts'
import { estimateTokens } from './token-estimate.ts'

/** How long to go on trying with one batch. */
export interface EmbedRetrySettings {
  readonly attemptsMax: number
  /** First wait, doubled each time; the real wait is uniform between 0 and that ("full jitter", Brooker 2015). */
  readonly baseMs: number
  readonly waitMaxMs: number
  /** From the first failure; no new attempt begins after this. */
  readonly deadlineMs: number
}

export interface OpenAiModelOptions {
  /** As the server calls it. */
  readonly model: string
  /** Absent: the model's own. Another one is asked for with `dimensions`, which not every model can. */
  readonly dimension?: number
  /** The model's own, where an earlier process found it (`OpenAiModel.ownDimension`): then it is not asked for. */
  readonly ownDimension?: number
  /** Up to `/v1`; default: OpenAI's own. */
  readonly baseUrl?: string
  /** Absent: none is sent, as local servers want it. */
  readonly apiKey?: string
  /** Where the key comes from, for error messages; default: `OPENAI_API_KEY`. */
  readonly keyName?: string
  /** Texts a request, at most. */
  readonly batchTexts?: number
  /** Tokens a request, at most, as estimated; a single longer text goes alone. */
  readonly batchTokens?: number
  readonly requestsAtOnce?: number
  /** US dollars. */
  readonly pricePerMillionTokens?: number
  readonly requestTimeoutMs?: number
  readonly retry?: EmbedRetrySettings
  readonly clock: Clock
  readonly random: Random
  readonly fetch?: typeof fetch
}

/** What a model has cost so far. */
export interface EmbeddingUsage {
  readonly requests: number
  /** Requests that were second attempts; they are among `requests`. */
  readonly retries: number
  readonly texts: number
  /** As the server counts; of answers that do not tell, as estimated. */
  readonly tokens: number
  readonly areTokensEstimated: boolean
  /** US dollars; undefined where the price is not known. */
  readonly cost: number | undefined
}

const defaultRetry: EmbedRetrySettings = { attemptsMax: 10, baseMs: 500, waitMaxMs: 20_000, deadlineMs: 300_000 }
const probe = 'dimension'

interface Batch {
  /** Where its texts are in the call. */
  readonly places: readonly number[]
  readonly tokens: number
}

type Outcome = Float32Array | WindlassError

/**
 * A model behind OpenAI's `POST /embeddings`, or behind a server that speaks it: Ollama, vLLM, LM Studio, llama.cpp, LiteLLM.
 * A model or dimension that is not in our table is asked for one vector first.
 * @throws {WindlassError} `invalid` when the model's vectors have another dimension than `dimension`; what the server refuses.
 */
export async function createOpenAiModel(options: OpenAiModelOptions, signal?: AbortSignal): Promise<OpenAiModel> {
  const known = options.baseUrl === undefined || new URL(options.baseUrl).hostname === 'api.openai.com' ? knownModels.get(options.model) : undefined
  const { model, dimension } = options
  if (known) {
    const own = known.dimension
    if (dimension !== undefined && dimension !== own && !(known.canShorten && dimension < own)) throw otherDimension(model, own, dimension)
    const shortened = dimension !== undefined && dimension !== own
    return new OpenAiModel({ ...options, ownDimension: own, dimension: dimension ?? own, sendsDimension: shortened, tokensMax: known.tokensMax })
  }
  const own = options.ownDimension ?? (await new OpenAiModel({ ...options, dimension: undefined, sendsDimension: false }).measureDimension(signal))
  if (dimension === undefined || dimension === own) return new OpenAiModel({ ...options, ownDimension: own, dimension: own, sendsDimension: false })
  if (options.ownDimension !== undefined) return new OpenAiModel({ ...options, dimension, sendsDimension: true })
  const shortened = new OpenAiModel({ ...options, dimension: undefined, sendsDimension: dimension })
  const second = await shortened.measureDimension(signal).catch((error: unknown) => {
    // A server that refuses `dimensions` has said that it cannot.
    if (isWindlassError(error, 'invalid')) return own
    throw error
  })
  if (second !== dimension) throw otherDimension(model, second, dimension)
  return new OpenAiModel({ ...options, ownDimension: own, dimension, sendsDimension: true })
}

function otherDimension(model: string, found: number, wanted: number): WindlassError {
  return new WindlassError('invalid', `model ${model} gives vectors of dimension ${found}, the declaration wants ${wanted}: leave the dimension out, or choose another model`, { path: 'embedding.dimension' })
}

/** An embedding model over HTTP; see `createOpenAiModel`. Documents and queries are embedded alike. */
export class OpenAiModel implements EmbeddingModel {
  readonly name: string
  readonly dimension: number
  readonly tokensMax: number | undefined
  /** Of the model when no other is asked for. */
  readonly ownDimension: number
  readonly #options: OpenAiModelOptions
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #dimensions: number | undefined
  readonly #pacer: RequestPacer
  readonly #retry: EmbedRetrySettings
  #batchTokens: number
  #wantsBase64 = true
  #hasSucceeded = false
  #requests = 0
  #retries = 0
  #texts = 0
  #tokens = 0
  #areTokensEstimated = false

  /** @param options.dimension Undefined: of any length, for a probe. */
  constructor(options: Omit<OpenAiModelOptions, 'dimension'> & { dimension: number | undefined; sendsDimension: boolean | number; tokensMax?: number }) {
    const { dimension, sendsDimension, tokensMax, ...rest } = options
    this.dimension = dimension ?? 0
    this.name = `openai:${options.model}@${this.dimension}`
    this.tokensMax = tokensMax
    this.ownDimension = options.ownDimension ?? this.dimension
    this.#options = rest
    this.#dimensions = typeof sendsDimension === 'number' ? sendsDimension : sendsDimension ? dimension : undefined
    this.#url = embeddingsUrl(options.baseUrl ?? 'https://api.openai.com/v1')
    this.#headers = headersFor(options.apiKey, this.#keyName)
    this.#pacer = new RequestPacer({ clock: options.clock, requestsAtOnce: options.requestsAtOnce ?? 8 })
    this.#retry = options.retry ?? defaultRetry
    this.#batchTokens = options.batchTokens ?? 200_000
  }

  /**
   * One vector a text, in their order, each brought to length 1; zeros for a blank text, without a request.
   * @throws {WindlassError} The first failure, also when it is about one text only: `embedEach` tells them apart.
   */
  async embed(texts: readonly string[], options: { kind?: TextKind; signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    const outcomes = await this.embedEach(texts, options)
    return outcomes.map((outcome) => {
      if (outcome instanceof WindlassError) throw outcome
      return outcome
    })
  }

  /**
   * As `embed`, but a text that the server does not take (`too-large`, `invalid`) has its error in its place, and the others their vectors.
   * @throws {WindlassError} For failures that are about no single text: `unauthenticated`, `denied`, `unavailable` after all attempts …
   */
  async embedEach(texts: readonly string[], { signal }: { kind?: TextKind; signal?: AbortSignal } = {}): Promise<Outcome[]> {
    throwIfAborted(signal)
    const outcomes = texts.map((): Outcome => new Float32Array(this.dimension))
    const stop = new AbortController()
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const work = this.#cutBatches(texts).map((batch) => this.#embedBatch(texts, batch, outcomes, both))
    try {
      await Promise.all(work)
    } catch (error) {
      stop.abort()
      await Promise.allSettled(work)
      throw error
    }
    return outcomes
  }

  /** Asks for one vector. @returns how many values it has. */
  async measureDimension(signal?: AbortSignal): Promise<number> {
    const { vectors } = await this.#askUntilAnswered([probe], estimateTokens(probe), signal).catch((error: unknown) => {
      throw error instanceof RequestFailure ? error.error : error
    })
    return vectors[0]!.length
  }

  countTokens(text: string): number {
    return estimateTokens(text)
  }

  /** Since the model was made; a probe before that is not in it. */
  usage(): EmbeddingUsage {
    const price = this.#options.pricePerMillionTokens ?? (this.tokensMax === undefined ? undefined : knownModels.get(this.#options.model)?.pricePerMillionTokens)
    return {
      requests: this.#requests,
      retries: this.#retries,
      texts: this.#texts,
      tokens: this.#tokens,
      areTokensEstimated: this.#areTokensEstimated,
      cost: price === undefined ? undefined : (this.#tokens / 1e6) * price,
    }
  }

  get #keyName(): string {
    return this.#options.keyName ?? 'OPENAI_API_KEY'
  }

  #cutBatches(texts: readonly string[]): Batch[] {
    const textsMax = this.#options.batchTexts ?? 256
    const batches: { places: number[]; tokens: number }[] = []
    let last: { places: number[]; tokens: number } | undefined
    for (const [place, text] of texts.entries()) {
      if (text.trim() === '') continue
      const tokens = estimateTokens(text)
      if (!last || last.places.length >= textsMax || last.tokens + tokens > this.#batchTokens) batches.push((last = { places: [], tokens: 0 }))
      last.places.push(place)
      last.tokens += tokens
    }
    return batches
  }

  /** Halves a batch that the server does not take, until what is at fault is alone. */
  async #embedBatch(texts: readonly string[], { places, tokens }: Batch, outcomes: Outcome[], signal: AbortSignal): Promise<void> {
    try {
      const { vectors } = await this.#askUntilAnswered(places.map((place) => texts[place]!), tokens, signal)
      for (const [i, place] of places.entries()) outcomes[place] = vectors[i]!
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error
      // A refusal without a reason that we know is a text's fault only if the server has taken others.
      const isOfTexts = error.remedy === 'split' || (error.error.kind === 'invalid' && this.#hasSucceeded)
      if (!isOfTexts) throw error.error
      if (places.length === 1) {
        outcomes[places[0]!] = this.#ofText(error.error, texts[places[0]!]!, places[0]!)
        return
      }
      if (/per request/i.test(error.message)) this.#batchTokens = Math.max(1000, Math.min(this.#batchTokens, tokens * 0.6))
      const middle = Math.ceil(places.length / 2)
      const halves = [places.slice(0, middle), places.slice(middle)]
      await Promise.all(halves.map((half) => this.#embedBatch(texts, { places: half, tokens: sumTokens(texts, half) }, outcomes, signal)))
    }
  }

  #ofText(error: WindlassError, text: string, place: number): WindlassError {
    const size = `text ${place} (${text.length} characters, about ${estimateTokens(text)} tokens)`
    const what = error.kind === 'too-large' ? `${size} is longer than ${this.#options.model} takes${this.tokensMax === undefined ? '' : `, ${this.tokensMax} tokens`}: cut it into smaller chunks` : `${size} was refused`
    return new WindlassError(error.kind, `${what} (${error.message})`, { ...error.details, path: `texts.${place}`, cause: error })
  }

  /** One batch, whole, as often as it takes. @throws {RequestFailure} what trying again cannot mend. */
  async #askUntilAnswered(texts: readonly string[], tokens: number, signal: AbortSignal | undefined): Promise<EmbeddingAnswer> {
    const { clock, random } = this.#options
    const { attemptsMax, baseMs, waitMaxMs, deadlineMs } = this.#retry
    let firstFailureMs: number | undefined
    for (let failures = 0; ; ) {
      try {
        return await this.#askOnce(texts, tokens, signal)
      } catch (error) {
        if (!(error instanceof RequestFailure)) throw error
        if (error.remedy === 'plain' && this.#wantsBase64) {
          this.#wantsBase64 = false
          continue
        }
        if (error.remedy !== 'retry' && error.remedy !== 'slow-down') throw error
        failures++
        const nowMs = clock.monotonic()
        firstFailureMs ??= nowMs
        const waitMs = Math.max(random.next() * Math.min(waitMaxMs, baseMs * 2 ** (failures - 1)), error.error.details.retryAfterMs ?? 0)
        const spentMs = nowMs - firstFailureMs
        if (failures >= attemptsMax || spentMs + waitMs > deadlineMs) {
          throw new WindlassError('unavailable', `${error.message} (tried ${failures} times in ${Math.round(spentMs / 1000)} s)`, { ...error.error.details, cause: error.error })
        }
        this.#retries++
        await clock.sleep(waitMs, signal)
      }
    }
  }

  async #askOnce(texts: readonly string[], tokens: number, signal: AbortSignal | undefined): Promise<EmbeddingAnswer> {
    const admission = await this.#pacer.admit(tokens, signal)
    let isOver = false
    try {
      this.#requests++
      const { status, headers, text } = await this.#post(texts, signal)
      const limits = rateLimitsOf(headers)
      if (status >= 400) {
        const failure = failureOf(status, this.#withoutKey(text), retryAfterOf(headers, this.#options.clock.now()), { url: this.#url, model: this.#options.model, keyName: this.#keyName })
        if (failure.remedy === 'slow-down') {
          isOver = true
          admission.refused(failure.error.details.retryAfterMs ?? 0, limits)
        }
        throw failure
      }
      const answer = this.#read(text, texts.length)
      isOver = true
      admission.succeeded(limits)
      this.#count(texts.length, tokens, answer)
      return answer
    } finally {
      if (!isOver) admission.failed()
    }
  }

  #read(text: string, count: number): EmbeddingAnswer {
    let answer: EmbeddingAnswer
    try {
      answer = readAnswer(text, count, this.#url)
    } catch (error) {
      throw new RequestFailure('retry', error as WindlassError)
    }
    const other = this.dimension === 0 ? undefined : answer.vectors.find((vector) => vector.length !== this.dimension)
    if (other) throw otherDimension(this.#options.model, other.length, this.dimension)
    return answer
  }

  #count(texts: number, estimated: number, { tokens }: EmbeddingAnswer): void {
    this.#hasSucceeded = true
    this.#texts += texts
    this.#tokens += tokens ?? estimated
    this.#areTokensEstimated ||= tokens === undefined
  }

  /** @throws {RequestFailure} `retry` when no whole answer came in time. */
  async #post(input: readonly string[], signal: AbortSignal | undefined): Promise<{ status: number; headers: Headers; text: string }> {
    const { fetch: send = fetch, model, requestTimeoutMs = 120_000 } = this.#options
    const body = { model, input, encoding_format: this.#wantsBase64 ? 'base64' : 'float', ...(this.#dimensions !== undefined && { dimensions: this.#dimensions }) }
    const controller = new AbortController()
    const timer = startTimer(requestTimeoutMs, () => controller.abort())
    try {
      const response = await send(this.#url, { method: 'POST', headers: this.#headers, body: JSON.stringify(body), signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal })
      return { status: response.status, headers: response.headers, text: await response.text() }
    } catch (error) {
      throwIfAborted(signal)
      const what = controller.signal.aborted ? `no answer within ${requestTimeoutMs / 1000} s` : `no answer came: ${this.#withoutKey(reasonOf(error))}`
      throw new RequestFailure('retry', new WindlassError('unavailable', `${this.#url}: ${what}`, { operation: 'embed' }))
    } finally {
      timer.stop()
    }
  }

  #withoutKey(text: string): string {
    const { apiKey } = this.#options
    return apiKey ? text.replaceAll(apiKey, '***') : text
  }
}

function embeddingsUrl(baseUrl: string): string {
  const url = new URL(baseUrl)
  if (url.username !== '' || url.password !== '') throw new WindlassError('invalid', 'the base URL of the embedding model has a name or password in it: give a key by its environment variable', { path: 'embedding.baseUrl' })
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}/embeddings${url.search}`
}

/** Checked here, because the platform's own error about a header would show its value. */
function headersFor(apiKey: string | undefined, keyName: string): Record<string, string> {
  const key = apiKey?.trim()
  if (key !== undefined && !/^[\x21-\x7e]*$/.test(key)) throw new WindlassError('invalid', `${keyName} has a blank, a line break or a letter in it that no key has`, { path: keyName })
  return { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) }
}

/** `fetch failed` hides why in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return (cause as { code?: string }).code ?? messageOf(cause)
}

function sumTokens(texts: readonly string[], places: readonly number[]): number {
  return places.reduce((sum, place) => sum + estimateTokens(texts[place]!), 0)
}
