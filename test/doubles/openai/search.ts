import { badParameter, type DoubleRequest } from './answers.ts'
import type { Attributes, OpenAiState, VectorStore } from './state.ts'

type Filter = { type: string; key?: string; value?: unknown; filters?: Filter[] }

/** Finds chunks by the share of the question's words that they contain: crude, but what is there is found. */
export function searchStore(state: OpenAiState, store: VectorStore, body: DoubleRequest['body']) {
  const { query, max_num_results: limit = 10, filters, ranking_options: ranking } = body as { query?: string | string[]; max_num_results?: number; filters?: Filter; ranking_options?: { score_threshold?: number } }
  const questions = query === undefined ? [] : [query].flat()
  if (questions.length === 0 || questions.some((each) => typeof each !== 'string' || each === '')) throw badParameter('query', "Missing required parameter: 'query'.", 'missing_required_parameter')
  if (!(limit >= 1 && limit <= 50)) throw badParameter('max_num_results', `Invalid 'max_num_results': expected a value between 1 and 50, but got ${limit} instead.`)
  const words = new Set(questions.flatMap(wordsOf))
  const data = [...store.entries.values()]
    .filter((entry) => state.statusOf(entry) === 'completed' && matches(entry.attributes, filters))
    .flatMap((entry) => entry.chunks.map((text) => ({ file_id: entry.id, filename: entry.filename, score: scoreOf(words, text), attributes: entry.attributes, content: [{ type: 'text', text }] })))
    .filter(({ score }) => score > 0 && score >= (ranking?.score_threshold ?? 0))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
  return { object: 'vector_store.search_results.page', search_query: questions, data, has_more: false, next_page: null }
}

/** Words in lower case. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []
}

function scoreOf(words: ReadonlySet<string>, text: string): number {
  const present = new Set(wordsOf(text))
  return words.size === 0 ? 0 : [...words].filter((word) => present.has(word)).length / words.size
}

function matches(attributes: Attributes, filter: Filter | undefined): boolean {
  if (!filter) return true
  const { type, key = '', value, filters = [] } = filter
  if (type === 'and') return filters.every((each) => matches(attributes, each))
  if (type === 'or') return filters.some((each) => matches(attributes, each))
  const own = attributes[key]
  switch (type) {
    case 'eq':
      return own === value
    case 'ne':
      return own !== value
    case 'in':
      return Array.isArray(value) && value.includes(own)
    case 'nin':
      return Array.isArray(value) && !value.includes(own)
  }
  if (!['gt', 'gte', 'lt', 'lte'].includes(type)) throw badParameter('filters', `Invalid value: '${type}'.`, 'invalid_value')
  if (own === undefined || typeof own !== typeof value) return false
  const than = value as typeof own
  return type === 'gt' ? own > than : type === 'gte' ? own >= than : type === 'lt' ? own < than : own <= than
}
