import { invalid } from './errors.ts'
import type { Json } from './parse-json.ts'
import { asObject, asText, asVector, isObject, member, optionalBoolean, optionalCount, optionalNumber, type JsonObject } from './read-body.ts'
import { readSparse } from './records.ts'

/** One nearest-neighbour question of a rank expression. */
export interface Knn {
  readonly query: { readonly vector: Float32Array } | { readonly text: string } | { readonly sparse: ReadonlyMap<bigint, number> }
  readonly key: string
  readonly limit: number
  /** Score of records that are not among its answers; absent: they have none. */
  readonly missing: number | undefined
  /** Scores are places, from 0, instead of distances. */
  readonly returnsRank: boolean
}

/** What scores records: lower is better. */
export type Rank =
  | { readonly op: 'knn'; readonly knn: Knn }
  | { readonly op: 'value'; readonly value: number }
  | { readonly op: 'apply'; readonly parts: readonly Rank[]; apply(values: readonly number[]): number }

const depthMax = 32
const knnMax = 32
const limitDefault = 16

const many: Readonly<Record<string, (values: readonly number[]) => number>> = {
  $sum: (values) => values.reduce((sum, each) => sum + each, 0),
  $mul: (values) => values.reduce((product, each) => product * each, 1),
  $max: (values) => Math.max(...values),
  $min: (values) => Math.min(...values),
}
const two: Readonly<Record<string, (a: number, b: number) => number>> = { $sub: (a, b) => a - b, $div: (a, b) => a / b }
const one: Readonly<Record<string, (value: number) => number>> = { $abs: Math.abs, $exp: Math.exp, $log: Math.log }

/** Reads a rank expression; `knns` collects its questions in the order of `op: 'knn'`. @throws {ChromaError} 400, 422. */
export function readRank(json: Json, knns: Knn[], depth = 1): Rank {
  if (depth > depthMax) throw invalid(`Invalid rank expression: nests deeper than ${depthMax} levels`)
  const entries = isObject(json) ? Object.entries(json) : []
  if (entries.length !== 1) throw invalid('Invalid rank expression: expected an object with one operator')
  const [operator, argument] = entries[0]!
  if (operator === '$val') return { op: 'value', value: optionalNumber(argument, '$val') ?? NaN }
  if (operator === '$knn') {
    const knn = readKnn(asObject(argument, '$knn'))
    if (knns.push(knn) > knnMax) throw invalid(`Invalid rank expression: more than ${knnMax} $knn`)
    return { op: 'knn', knn }
  }
  if (Object.hasOwn(many, operator)) {
    if (!Array.isArray(argument) || argument.length === 0) throw invalid(`Invalid rank expression: ${operator} needs a list of expressions`)
    return { op: 'apply', parts: argument.map((each) => readRank(each, knns, depth + 1)), apply: many[operator]! }
  }
  if (Object.hasOwn(two, operator)) {
    const { left, right } = asObject(argument, operator)
    if (left === undefined || right === undefined) throw invalid(`Invalid rank expression: ${operator} needs left and right`)
    return { op: 'apply', parts: [readRank(left, knns, depth + 1), readRank(right, knns, depth + 1)], apply: ([a, b]) => two[operator]!(a!, b!) }
  }
  if (Object.hasOwn(one, operator)) return { op: 'apply', parts: [readRank(argument, knns, depth + 1)], apply: ([value]) => one[operator]!(value!) }
  throw invalid(`Invalid rank expression: unknown operator ${JSON.stringify(operator.slice(0, 40))}`)
}

function readKnn(body: JsonObject): Knn {
  const limit = optionalCount(member(body, 'limit'), '$knn.limit') ?? limitDefault
  if (limit === 0) throw invalid('Invalid rank expression: $knn.limit must be positive')
  const key = member(body, 'key') === undefined ? '#embedding' : asText(member(body, 'key'), '$knn.key')
  return { query: readQuery(member(body, 'query')), key, limit, missing: optionalNumber(member(body, 'default'), '$knn.default'), returnsRank: optionalBoolean(member(body, 'return_rank'), '$knn.return_rank') ?? false }
}

function readQuery(query: Json | undefined): Knn['query'] {
  if (typeof query === 'string') return { text: query }
  if (!isObject(query)) return { vector: asVector(query, '$knn.query') }
  const { indices, values } = readSparse(query, '$knn.query')
  return { sparse: new Map(indices.map((index, i) => [index, values[i]!])) }
}

/** Scores by record, where a question has found it. */
export type Scores = ReadonlyMap<string, number>

/**
 * The score of a record; undefined when a part of the expression has none for it.
 * @param scoresOf What each question found.
 */
export function scoreOf(rank: Rank, id: string, scoresOf: (knn: Knn) => Scores): number | undefined {
  if (rank.op === 'value') return rank.value
  if (rank.op === 'knn') return scoresOf(rank.knn).get(id) ?? rank.knn.missing
  const values: number[] = []
  for (const part of rank.parts) {
    const value = scoreOf(part, id, scoresOf)
    if (value === undefined) return undefined
    values.push(value)
  }
  return rank.apply(values)
}
