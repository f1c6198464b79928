// Asks the server of this container for its health, with a key of its own where it wants one. Exit status 0: healthy.
const { WINDLASS_PORT: port = '8900', WINDLASS_KEYS: keys = '[]' } = process.env
let secret
try {
  secret = JSON.parse(keys)[0]?.secret
} catch {
  // A file: /ready wants no key.
}
const ask = (path, headers) => fetch(`http://127.0.0.1:${port}${path}`, { headers, signal: AbortSignal.timeout(14_000) })
let answer = await ask('/health', secret ? { authorization: `Bearer ${secret}` } : {}).catch(() => null)
if (answer?.status === 401 || answer?.status === 403) answer = await ask('/ready', {}).catch(() => null)
if (!answer?.ok) console.error(answer ? `${answer.status} ${await answer.text()}` : 'no answer')
process.exit(answer?.ok ? 0 : 1)
