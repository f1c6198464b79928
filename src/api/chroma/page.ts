import { invalid } from './errors.ts'

const countMax = 0xffff_ffff

/** `limit` and `offset` of a query; no limit where none is given. @throws {ChromaError} 400. */
export function pageOf(query: URLSearchParams): { limit: number; offset: number } {
  return { limit: countOf(query, 'limit') ?? Infinity, offset: countOf(query, 'offset') ?? 0 }
}

function countOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d+$/.test(text) || Number(text) > countMax) throw invalid(`Failed to deserialize query string: ${name}: invalid digit found in string`)
  return Number(text)
}
