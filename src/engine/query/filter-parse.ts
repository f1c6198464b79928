import { WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import { isScalar, type Filter, type Scalar } from './filter.ts'

const fieldOperators = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$startsWith']

/**
 * Reads filter JSON: `{key: value}`, `{key: {$gt: 1, $lt: 5}}`, `$and`, `$or`, `$not`. Several keys or operators in one object
 * must all hold. An empty object matches everything.
 * @throws {WindlassError} `invalid`, naming the place in the JSON and what is allowed there.
 */
export function parseFilter(json: unknown): Filter {
  const state = { terms: 0 }
  return parseObject(json, 'filter', 1, state)
}

function parseObject(json: unknown, path: string, depth: number, state: { terms: number }): Filter {
  if (depth > limits.filterDepthMax) throw invalid(path, `nests deeper than ${limits.filterDepthMax} levels`)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(path, `expected an object, found ${nameOf(json)}`)
  const parts = Object.entries(json).flatMap(([key, value]): Filter[] => {
    const inner = `${path}.${key}`
    if (key === '$and' || key === '$or') return [{ op: key === '$and' ? 'and' : 'or', filters: parseList(value, inner, depth, state) }]
    if (key === '$not') return [{ op: 'not', filter: parseObject(value, inner, depth + 1, state) }]
    if (key.startsWith('$')) throw invalid(inner, `unknown operator, expected $and, $or, $not or a metadata key with one of ${fieldOperators.join(', ')}`)
    return parseField(key, value, inner, state)
  })
  return parts.length === 1 ? parts[0]! : { op: 'and', filters: parts }
}

function parseList(value: unknown, path: string, depth: number, state: { terms: number }): Filter[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(path, `expected a list of one filter or more, found ${nameOf(value)}`)
  return value.map((each, i) => parseObject(each, `${path}[${i}]`, depth + 1, state))
}

function parseField(key: string, value: unknown, path: string, state: { terms: number }): Filter[] {
  if (isScalar(value)) return [term(state, path, { op: 'eq', key, value: scalar(value, path) })]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, `expected a string, number, boolean or an object with one of ${fieldOperators.join(', ')}, found ${nameOf(value)}`)
  }
  const entries = Object.entries(value)
  if (entries.length === 0) throw invalid(path, `expected one of ${fieldOperators.join(', ')}, found {}`)
  return entries.map(([operator, argument]) => term(state, path, parseOperator(key, operator, argument, `${path}.${operator}`)))
}

function parseOperator(key: string, operator: string, argument: unknown, path: string): Filter {
  switch (operator) {
    case '$eq':
    case '$ne':
      return { op: operator === '$eq' ? 'eq' : 'ne', key, value: scalar(argument, path) }
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      if (typeof argument !== 'number' && typeof argument !== 'bigint' && typeof argument !== 'string') throw invalid(path, `expected a number or a string, found ${nameOf(argument)}`)
      return { op: operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', key, value: scalar(argument, path) }
    }
    case '$in':
    case '$nin':
      if (!Array.isArray(argument) || argument.length === 0) throw invalid(path, `expected a list of one value or more, found ${nameOf(argument)}`)
      return { op: operator === '$in' ? 'in' : 'nin', key, values: argument.map((each, i) => scalar(each, `${path}[${i}]`)) }
    case '$exists':
      if (typeof argument !== 'boolean') throw invalid(path, `expected true or false, found ${nameOf(argument)}`)
      return { op: 'exists', key, exists: argument }
    case '$startsWith':
      if (typeof argument !== 'string') throw invalid(path, `expected a string, found ${nameOf(argument)}`)
      return { op: 'startsWith', key, value: argument }
    default:
      throw invalid(path, `unknown operator, expected one of ${fieldOperators.join(', ')}`)
  }
}

function term(state: { terms: number }, path: string, filter: Filter): Filter {
  state.terms += 'values' in filter ? filter.values.length : 1
  if (state.terms > limits.filterTermsMax) throw invalid(path, `more than ${limits.filterTermsMax} values to compare with`)
  return filter
}

function scalar(value: unknown, path: string): Scalar {
  if (!isScalar(value)) throw invalid(path, `expected a string, number or boolean, found ${nameOf(value)}`)
  if (typeof value === 'number' && !Number.isFinite(value)) throw invalid(path, `expected a finite number, found ${value}`)
  return value
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  return typeof value === 'object' ? 'an object' : value === undefined ? 'nothing' : JSON.stringify(value)
}

function invalid(path: string, what: string): WindlassError {
  return new WindlassError('invalid', `${path}: ${what}`, { path })
}
