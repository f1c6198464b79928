import { problemOfPattern } from '../sources/path-filter.ts'
import { looksLikeSecret } from './secrets.ts'

/** Something that is wrong with a declaration, and where. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  /** A key of the mapping at `path` that should not be there. */
  readonly key?: string
  readonly message: string
}

/**
 * What no schema can say. Works on what was written, whatever it is, so that it is told together with what the schema finds.
 * Never prints what looks like a secret.
 */
export function findContradictions(data: unknown): Problem[] {
  const problems: Problem[] = [...findSecrets(data, [])]
  const names = new Map<string, number>()
  itemsOf(field(data, 'vectorizers')).forEach((vectorizer, i) => {
    const path = ['vectorizers', i]
    const name = field(vectorizer, 'name')
    if (typeof name === 'string') {
      const first = names.get(name)
      if (first === undefined) names.set(name, i)
      else problems.push({ path: [...path, 'name'], message: `${JSON.stringify(name)} is the name of vectorizers[${first}] already: names are unique` })
    }
    problems.push(...ofChunking(field(vectorizer, 'chunking'), [...path, 'chunking']))
    problems.push(...ofSource(field(vectorizer, 'source'), [...path, 'source']))
    problems.push(...ofDestinations(itemsOf(field(vectorizer, 'destinations')), [...path, 'destinations']))
  })
  return problems
}

function ofChunking(chunking: unknown, path: readonly PropertyKey[]): Problem[] {
  const { tokens = 256, overlap = 32 } = (chunking ?? {}) as { tokens?: unknown; overlap?: unknown }
  if (typeof tokens !== 'number' || typeof overlap !== 'number' || overlap < tokens) return []
  const at = field(chunking, 'overlap') === undefined ? 'tokens' : 'overlap'
  return [{ path: [...path, at], message: `overlap is ${overlap} and tokens is ${tokens}: the overlap must be less than a chunk` }]
}

function ofSource(source: unknown, path: readonly PropertyKey[]): Problem[] {
  const problems: Problem[] = []
  for (const list of ['include', 'exclude']) {
    itemsOf(field(source, list)).forEach((pattern, i) => {
      const problem = typeof pattern === 'string' && pattern !== '' ? problemOfPattern(pattern) : null
      if (problem) problems.push({ path: [...path, list, i], message: `${JSON.stringify(pattern)} ${problem}` })
    })
  }
  const type = field(source, 'type')
  if (type === 'urls' && field(source, 'urls') === undefined && field(source, 'sitemap') === undefined) {
    problems.push({ path, message: 'expected urls, sitemap or both, found neither' })
  }
  const [id, secret] = [field(source, 'accessKeyIdVariable'), field(source, 'secretAccessKeyVariable')]
  if (type === 's3' && (id === undefined) !== (secret === undefined)) {
    problems.push({ path, message: `${id === undefined ? 'secretAccessKeyVariable is there, accessKeyIdVariable is not' : 'accessKeyIdVariable is there, secretAccessKeyVariable is not'}: set both, or neither` })
  }
  if (type === 's3') problems.push(...ofRole(source, path))
  return problems
}

const roleNames = ['role', 'aws_role_arn', 'assume_role_arn'] as const

function ofRole(source: unknown, path: readonly PropertyKey[]): Problem[] {
  const problems: Problem[] = []
  const names = roleNames.filter((name) => field(source, name) !== undefined)
  if (names.length > 1) problems.push({ path: [...path, names[1]!], message: `is another name of ${names[0]}, which is there already: keep one` })
  const ids = ['externalId', 'externalIdVariable'].filter((name) => field(source, name) !== undefined)
  if (ids.length > 1) problems.push({ path: [...path, 'externalIdVariable'], message: 'externalId is there already: keep one' })
  const [needless] = [...ids, ...(field(source, 'via') === undefined ? [] : ['via'])]
  if (names.length === 0 && needless !== undefined) problems.push({ path: [...path, needless], message: 'is for a role, and there is none: add role, or take this out' })
  return problems
}

/** Two destinations that agree in these are one. */
const identifyingFields = ['name', 'vectorStore', 'baseUrl', 'bucket', 'endpoint', 'url', 'collection', 'index', 'urlVariable', 'table'] as const

function ofDestinations(destinations: readonly unknown[], path: readonly PropertyKey[]): Problem[] {
  const problems: Problem[] = []
  const seen = new Map<string, number>()
  destinations.forEach((destination, i) => {
    const type = field(destination, 'type')
    const key = JSON.stringify([type, ...identifyingFields.map((name) => field(destination, name))])
    const first = seen.get(key)
    if (first !== undefined) problems.push({ path: [...path, i], message: `is the same as destinations[${first}]: name each once` })
    seen.set(key, first ?? i)
    const { maxTokens, overlapTokens } = (field(destination, 'chunking') ?? {}) as { maxTokens?: unknown; overlapTokens?: unknown }
    // A rule of OpenAI's API: chunk_overlap_tokens must not exceed half of max_chunk_size_tokens.
    if (typeof maxTokens === 'number' && typeof overlapTokens === 'number' && overlapTokens > maxTokens / 2) {
      problems.push({ path: [...path, i, 'chunking', 'overlapTokens'], message: `is ${overlapTokens}, and OpenAI takes at most half of maxTokens: ${Math.floor(maxTokens / 2)}` })
    }
  })
  return problems
}

function* findSecrets(value: unknown, path: readonly PropertyKey[]): Iterable<Problem> {
  if (typeof value === 'string' && looksLikeSecret(value)) {
    const isVariable = /Variable$/.test(String(path.at(-1)))
    const remedy = isVariable ? 'put it in an environment variable, and the name of that here' : 'secrets do not belong in this file: take it out, and name an environment variable'
    yield { path, message: `looks like a secret: ${remedy}; if the file was ever shared, replace the secret` }
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) yield* findSecrets(item, [...path, i])
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* findSecrets(item, [...path, key])
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
