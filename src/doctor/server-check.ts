import { isIPv6 } from 'node:net'
import { ok, problem, warning, type Check, type Finding } from './check.ts'

const answerTimeoutMs = 10_000

/** Whether the server may listen as configured, and, where one answers here, what its own health says: uploads that fail, disks that fill. */
export const serverCheck: Check = {
  name: 'server',
  applies: () => true,
  async run({ configuration }, signal) {
    const host = configuration.text('host')!
    const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
    if (!isLocal && configuration.text('keys') === undefined) {
      return [problem(`${configuration.origin('host')} is ${host}, and there are no keys: windlass serve refuses to open the bucket to the network`, { mend: `WINDLASS_KEYS='[{"id": "main", "secret": "'$(openssl rand -hex 24)'", "role": "admin"}]'` })]
    }
    const url = `http://${addressOf(host)}:${configuration.text('port')}`
    if (configuration.text('port') === '0') return [ok('port 0: the server takes a free one')]
    const limit = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)])
    const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { signal: limit, redirect: 'manual', headers }).catch(() => null)
    const door = await ask('/ready')
    if (!door) return [ok(`nothing answers at ${url}; windlass serve would`)]
    // Whoever listens there is shown a key only if it is like our server.
    const ready = (await door.json().catch(() => null)) as { ready?: unknown } | null
    if (typeof ready?.ready !== 'boolean') return [elsewhere(url)]
    const response = await ask('/health', authorization(configuration.text('keys')))
    if (!response) return [problem(`the server at ${url} answers /ready, and not /health`, { why: 'it asks its bucket for its health: that may hang', mend: `curl -sS ${url}/ready   # does it still answer?` })]
    const body = (await response.json().catch(() => null)) as Health | null
    if (response.status === 401 || response.status === 403) return [ok(`a server answers at ${url}, and wants a key`)]
    if (!body?.checks) return [elsewhere(url)]
    return body.checks.length === 0 ? [ok(`the server at ${url} is well`)] : body.checks.map((check) => ofCheck(url, check))
  },
}

/** Where a server that listens on `host` is reached from here: on all addresses means also on the nearest. */
function addressOf(host: string): string {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return isIPv6(near) ? `[${near}]` : near
}

const elsewhere = (url: string): Finding => warning(`something else than windlass answers at ${url}`, { mend: 'WINDLASS_PORT=…   # another port' })

interface Health {
  readonly checks?: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[]
}

function ofCheck(url: string, { name, ok: isOk, detail }: NonNullable<Health['checks']>[number]): Finding {
  return isOk ? ok(`the server at ${url}: ${name}: ${detail}`) : problem(`the server at ${url}: ${name}: ${detail}`, { why: 'its own health says so' })
}

/** A key that may read, where they are in the settings as they are. */
function authorization(keys: string | undefined): Record<string, string> {
  try {
    const [first] = JSON.parse(keys ?? '[]') as { secret?: string }[]
    return first?.secret === undefined ? {} : { authorization: `Bearer ${first.secret}` }
  } catch {
    return {}
  }
}
