import { WindlassError } from '../base/errors.ts'

/** Which web pages may talk to the server. */
export interface GuardSettings {
  /** Without keys the name under which the server is called must be loopback or one of `allowedHosts`. */
  readonly hasKeys: boolean
  readonly allowedHosts: readonly string[]
  readonly corsOrigins: readonly string[]
}

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Refuses what a browser was tricked into: a name that resolves to this machine (DNS rebinding), and requests of other sites' pages.
 * @throws {WindlassError} `denied`.
 */
export function guardRequest(request: Request, { hasKeys, allowedHosts, corsOrigins }: GuardSettings): void {
  const host = request.headers.get('host') ?? ''
  const name = host.replace(/:\d+$/, '').toLowerCase()
  const isKnown = loopbackNames.has(name) || allowedHosts.some((allowed) => allowed.toLowerCase() === name)
  if (!isKnown && (!hasKeys || allowedHosts.length > 0)) {
    throw new WindlassError('denied', `host ${JSON.stringify(host.slice(0, 100))} is not allowed: call localhost, or add it to WINDLASS_ALLOWED_HOSTS`, { path: 'host' })
  }
  const origin = request.headers.get('origin')
  if (origin !== null && !corsOrigins.includes(origin) && originHost(origin) !== host.toLowerCase()) {
    throw new WindlassError('denied', `origin ${JSON.stringify(origin.slice(0, 100))} is not allowed: add it to WINDLASS_CORS_ORIGINS`, { path: 'origin' })
  }
  const isNavigation = request.method === 'GET' && request.headers.get('sec-fetch-mode') === 'navigate'
  if (origin === null && request.headers.get('sec-fetch-site') === 'cross-site' && !isNavigation) {
    throw new WindlassError('denied', "requests of other sites' pages are not allowed: add their origin to WINDLASS_CORS_ORIGINS", { path: 'origin' })
  }
}

function originHost(origin: string): string | null {
  try {
    return new URL(origin).host
  } catch {
    return null
  }
}

/** Whether an address to listen on is this machine alone. */
export function isLoopback(host: string): boolean {
  return loopbackNames.has(host.toLowerCase()) || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
