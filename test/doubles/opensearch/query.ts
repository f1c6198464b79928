// The part of OpenSearch's query language that the double speaks, from its public reference ("Query DSL", "k-NN query").
import { createAnalyzer } from '../../../src/text/analyzer.ts'

export type Json = Readonly<Record<string, unknown>>

/** What a document of an index is, as far as queries see it. */
export interface IndexedDocument {
  readonly id: string
  readonly source: Json
}

/** What fields are mapped as; others cannot be searched (`dynamic: false`). */
export interface Mapping {
  readonly properties: Readonly<Record<string, { readonly type: string; readonly dimension?: number; readonly method?: { readonly space_type?: string }; readonly properties?: Mapping['properties'] }>>
}

/** A query that the real one would refuse. */
export class BadQuery extends Error {}

/** Score of a document, null where it does not match. */
export type Scorer = (document: IndexedDocument) => number | null

const analyzer = createAnalyzer({ language: 'english' })

/** @param all What is searched: words are weighed, and nearest counted, among them. */
export function scorerOf(query: Json, mapping: Mapping, all: readonly IndexedDocument[]): Scorer {
  const [kind, ...others] = Object.keys(query)
  if (kind === undefined || others.length > 0) throw new BadQuery(`[bool] malformed query, expected one kind, found ${Object.keys(query).join(', ') || 'none'}`)
  const body = query[kind] as Json
  const [field, value] = Object.entries(body)[0] ?? ['', undefined]
  switch (kind) {
    case 'match_all':
      return () => 1
    case 'bool':
      return boolScorer(body, mapping, all)
    case 'term':
      return onValues(mapping, field, (each) => each === value)
    case 'terms':
      if (!Array.isArray(value)) throw new BadQuery('[terms] query requires a list')
      return onValues(mapping, field, (each) => value.includes(each))
    case 'prefix':
      return onValues(mapping, field, (each) => typeof each === 'string' && each.startsWith(String(value)))
    case 'range':
      return onValues(mapping, field, (each) => isWithin(each, value as Json))
    case 'nested':
      return nestedScorer(body as { path: string; query: Json }, mapping)
    case 'match':
      return matchScorer(mapping, field, String(value), all)
    case 'knn':
      return knnScorer(mapping, field, value as { vector: readonly number[]; k: number; filter?: Json }, all)
    default:
      throw new BadQuery(`unknown query [${kind}]`)
  }
}

function boolScorer({ must, filter, should, must_not: mustNot, minimum_should_match: least }: Json, mapping: Mapping, all: readonly IndexedDocument[]): Scorer {
  const scorers = (part: unknown) => (part === undefined ? [] : Array.isArray(part) ? part : [part]).map((each) => scorerOf(each as Json, mapping, all))
  const [musts, filters, shoulds, nots] = [must, filter, should, mustNot].map(scorers) as [Scorer[], Scorer[], Scorer[], Scorer[]]
  const shouldMin = typeof least === 'number' ? least : shoulds.length > 0 && musts.length + filters.length === 0 ? 1 : 0
  return (document) => {
    if (nots.some((score) => score(document) !== null) || filters.some((score) => score(document) === null)) return null
    const scores = musts.map((score) => score(document))
    if (scores.includes(null)) return null
    const optional = shoulds.map((score) => score(document)).filter((score) => score !== null)
    return optional.length < shouldMin ? null : [...scores, ...optional].reduce<number>((sum, score) => sum + score!, 0)
  }
}

function nestedScorer({ path, query }: { path: string; query: Json }, { properties }: Mapping): Scorer {
  const inner = properties[path]
  if (inner?.type !== 'nested') throw new BadQuery(`[nested] failed to find nested object under path [${path}]`)
  // Names in the query are whole, those of the values are below the path.
  const named = { properties: Object.fromEntries(Object.entries(inner.properties ?? {}).map(([name, field]) => [`${path}.${name}`, field])) }
  const score = scorerOf(query, named, [])
  return ({ id, source }) => {
    const values = (source[path] ?? []) as Json[]
    return values.some((value) => score({ id, source: Object.fromEntries(Object.entries(value).map(([name, each]) => [`${path}.${name}`, each])) }) !== null) ? 1 : null
  }
}

function matchScorer(mapping: Mapping, field: string, text: string, all: readonly IndexedDocument[]): Scorer {
  if (mapping.properties[field]?.type !== 'text') return () => null
  const counts = new Map(all.map((document) => [document, countTerms(String(document.source[field] ?? ''))]))
  const wanted = [...new Set(analyzer.terms(text))].map((term) => {
    const holders = [...counts.values()].filter((terms) => terms.has(term)).length
    return { term, idf: Math.log(1 + (all.length - holders + 0.5) / (holders + 0.5)) }
  })
  return (document) => {
    const terms = counts.get(document) ?? countTerms(String(document.source[field] ?? ''))
    const score = wanted.reduce((sum, { term, idf }) => sum + (idf * (terms.get(term) ?? 0)) / ((terms.get(term) ?? 0) + 1.2), 0)
    return wanted.some(({ term }) => terms.has(term)) ? score : null
  }
}

function knnScorer(mapping: Mapping, field: string, { vector, k, filter }: { vector: readonly number[]; k: number; filter?: Json }, all: readonly IndexedDocument[]): Scorer {
  const { type, dimension, method } = mapping.properties[field] ?? {}
  if (type !== 'knn_vector') throw new BadQuery(`Field '${field}' is not knn_vector type.`)
  if (vector.length !== dimension) throw new BadQuery(`Query vector has invalid dimension: ${vector.length}. Dimension should be: ${dimension}`)
  if (!(k > 0 && k <= 10_000)) throw new BadQuery('[knn] requires k to be in the range (0, 10000]')
  const passes = filter ? scorerOf(filter, mapping, all) : () => 1
  const score = (stored: readonly number[]) => {
    if (method?.space_type === 'l2') return 1 / (1 + stored.reduce((sum, value, i) => sum + (value - vector[i]!) ** 2, 0))
    return (1 + stored.reduce((sum, value, i) => sum + value * vector[i]!, 0) / (Math.hypot(...stored) * Math.hypot(...vector))) / 2
  }
  const nearest = new Map(
    all
      .flatMap((document) => (Array.isArray(document.source[field]) && passes(document) !== null ? [[document.id, score(document.source[field] as number[])] as const] : []))
      .sort(([, a], [, b]) => b - a)
      .slice(0, k),
  )
  return ({ id }) => nearest.get(id) ?? null
}

function onValues({ properties }: Mapping, field: string, test: (value: unknown) => boolean): Scorer {
  const type = properties[field]?.type
  if (type === undefined) return () => null
  return ({ source }) => {
    const value = source[field]
    const values = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
    // A longer term than Lucene takes would have been refused when it was written.
    return values.some(test) ? 1 : null
  }
}

function isWithin(value: unknown, { gt, gte, lt, lte }: Json): boolean {
  const compare = (bound: unknown) => (typeof value === 'string' ? Buffer.compare(Buffer.from(value), Buffer.from(String(bound))) : Number(value) - Number(bound))
  return !(gt !== undefined && compare(gt) <= 0) && !(gte !== undefined && compare(gte) < 0) && !(lt !== undefined && compare(lt) >= 0) && !(lte !== undefined && compare(lte) > 0)
}

function countTerms(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const term of analyzer.terms(text)) counts.set(term, (counts.get(term) ?? 0) + 1)
  return counts
}
