import { messageOf } from '../base/errors.ts'
import { ok, problem, warning, type Check, type DoctorContext } from './check.ts'

const publicBase = 'https://api.openai.com/v1'

/** Whether OpenAI, or the server in its place, takes the key and has the model. */
export const openAiCheck: Check = {
  name: 'openai',
  applies: ({ configuration }) => configuration.text('openai-api-key') !== undefined || configuration.text('openai-base-url') !== undefined || isConfigured(configuration.text('embedding-model')),
  async run(context, signal) {
    const { configuration } = context
    const key = configuration.text('openai-api-key')
    const base = (configuration.text('openai-base-url') ?? publicBase).replace(/\/+$/, '')
    const keyOrigin = key === undefined ? 'no key' : configuration.origin('openai-api-key')
    if (key !== undefined && /^\s|\s$/.test(key)) return [problem(`${keyOrigin} begins or ends with a blank or a line break`, { mend: 'set it again, without it' })]
    let response: Response
    try {
      response = await fetch(`${base}/models`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` }, signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) })
    } catch (error) {
      return [problem(`no answer from ${base}: ${messageOf((error as { cause?: unknown }).cause ?? error)}`, { why: configuration.text('openai-base-url') === undefined ? 'the network of this machine' : `the address comes from ${configuration.origin('openai-base-url')}`, mend: `curl -sS ${base}/models` })]
    }
    const body = (await response.json().catch(() => null)) as { data?: { id?: string }[]; error?: { message?: string } } | null
    // Keys can be narrowed to some of the API.
    if (response.status === 403) return [warning(`${base} knows the key (${keyOrigin}), which may not list models: 403${body?.error?.message ? `: ${withoutKey(body.error.message, key)}` : ''}`, { mend: 'windlass doctor --only embedder   # tells whether it may embed' })]
    if (response.status === 401) {
      return [problem(`${base} does not take the key (${keyOrigin}): ${response.status}${body?.error?.message ? `: ${withoutKey(body.error.message, key)}` : ''}`, { mend: 'OPENAI_API_KEY=sk-…   # a new one from https://platform.openai.com/api-keys' })]
    }
    if (response.status === 404 && base.endsWith('/v1')) return [warning(`${base} does not list its models (404)`, { why: 'some servers do not; or it is another address', mend: 'windlass doctor --only embedder   # tells whether it embeds' })]
    if (response.status === 404) return [problem(`${base}/models is not there (404)`, { why: "the address must lead to the server's OpenAI API, mostly up to /v1", mend: `OPENAI_BASE_URL=${new URL(base).origin}/v1` })]
    if (!response.ok) return [problem(`${base}/models answers ${response.status}`)]
    return [modelFinding(context, base, keyOrigin, body?.data?.map(({ id }) => id))]
  },
}

function modelFinding({ configuration }: DoctorContext, base: string, keyOrigin: string, ids: readonly (string | undefined)[] | undefined) {
  const configured = configuration.text('embedding-model')!
  const model = configured.replace(/^openai:/, '')
  const takes = `${base} takes the key (${keyOrigin})`
  if (!isConfigured(configured) || !ids || ids.length === 0) return ok(takes)
  // Ollama lists names with the tag that is meant where none is given.
  if (ids.some((id) => id === model || id === `${model}:latest`)) return ok(`${takes} and has ${model}`)
  return problem(`${base} has no model ${model} (${configuration.origin('embedding-model')})`, { why: `it has ${ids.slice(0, 8).join(', ')}${ids.length > 8 ? ', …' : ''}`, mend: configuration.text('openai-base-url') === undefined ? 'EMBEDDING_MODEL=openai:text-embedding-3-small' : `ollama pull ${model}   # or another EMBEDDING_MODEL` })
}

function isConfigured(model: string | undefined): boolean {
  return /^(openai:|text-embedding-)/.test(model ?? '')
}

/** OpenAI repeats part of a wrong key; whoever copies a report should not have to look for it. */
function withoutKey(message: string, key: string | undefined): string {
  return (key ? message.replaceAll(key, '…') : message).replace(/sk-[\w*-]{4,}/g, 'sk-…').slice(0, 200)
}
