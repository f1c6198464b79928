import { WindlassError, type ErrorKind } from '../../../base/errors.ts'

/** What an error answer says, in OpenAI's shape or another. */
export interface RefusedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

// 409 is a lock that was waited for in vain: OpenAI's own client repeats it.
const kinds: Readonly<Record<number, ErrorKind>> = { 400: 'invalid', 401: 'unauthenticated', 403: 'denied', 404: 'not-found', 408: 'unavailable', 409: 'unavailable', 413: 'too-large', 415: 'invalid', 422: 'invalid', 429: 'unavailable' }
const messageLengthMax = 400

/**
 * The error of an answer that is not a success.
 * @param operation What was asked for, such as `upload a.md`: the message begins with it.
 */
export function fromRefusal(operation: string, { status, headers, text }: RefusedAnswer, apiKey: string | undefined): WindlassError {
  const { message, code } = readBody(text)
  const kind = code === 'insufficient_quota' ? 'denied' : (kinds[status] ?? (status >= 500 ? 'unavailable' : 'invalid'))
  const waitMs = readWaitMs(headers, 0)
  const remedy = status === 401 ? ': set a valid API key' : code === 'insufficient_quota' ? ': the account has no credit left' : ''
  return new WindlassError(kind, `openai: ${operation}: answered ${status}: ${redact(message, apiKey).slice(0, messageLengthMax)}${remedy}`, { operation, status, ...(waitMs !== null && { retryAfterMs: waitMs }) })
}

/** True where repeating cannot help although the status says so. */
export function isFinal(text: string): boolean {
  return readBody(text).code === 'insufficient_quota'
}

function readBody(text: string): { message: string; code: string | null } {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } | string }
    if (typeof error === 'string') return { message: error, code: null }
    if (typeof error?.message === 'string') return { message: error.message, code: typeof error.code === 'string' ? error.code : null }
  } catch {
    // A proxy answers in HTML or plain text.
  }
  return { message: text.replace(/\s+/g, ' ').trim() || 'no message', code: null }
}

/** `text` without the key, and without what servers quote of keys. */
export function redact(text: string, apiKey: string | undefined): string {
  return (apiKey === undefined ? text : text.replaceAll(apiKey, '…')).replace(/\b(sk|sess)-[\w*-]{4,}/g, '$1-…')
}

/**
 * How long a server asks to wait: `retry-after-ms`, `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), or OpenAI's own
 * `x-ratelimit-reset-requests` and `-tokens` (`6m0s`) where nothing is left; null when it says nothing.
 */
export function readWaitMs(headers: Headers, serverNowMs: number): number | null {
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN)
  if (ms >= 0) return ms
  const after = headers.get('retry-after')
  if (after !== null && after.trim() !== '') {
    if (Number(after) >= 0) return Number(after) * 1000
    // Only with a weekday: Date.parse takes nearly everything.
    const date = (/^[A-Za-z]{3,9},/.test(after) ? Date.parse(after) : Number.NaN) - serverNowMs
    if (!Number.isNaN(date) && serverNowMs > 0) return Math.max(0, date)
  }
  const resets = ['requests', 'tokens'].filter((what) => headers.get(`x-ratelimit-remaining-${what}`) === '0').map((what) => readDuration(headers.get(`x-ratelimit-reset-${what}`)))
  return resets.reduce((longest, each) => (each !== null && each > (longest ?? -1) ? each : longest), null)
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function readDuration(text: string | null): number | null {
  const parts = [...(text ?? '').matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)]
  return parts.length === 0 ? null : parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0)
}
