import { WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import { defaultFilterRules, type FieldOperator, type FilterRules, type LogicalOperator } from './filter-rules.ts'
import type { Filter } from './filter.ts'
import { isScalar, type Scalar } from './scalar.ts'

interface Parse {
  readonly rules: FilterRules
  /** Values to compare with so far. */
  terms: number
}

/**
 * Reads filter JSON: `{key: value}`, `{key: {$gt: 1, $lt: 5}}`, `$and`, `$or`, `$not`. Several keys or operators in one object
 * must all hold; an empty object matches everything.
 * @param json Numbers may also be bigints, for integers beyond 2^53.
 * @throws {WindlassError} `invalid`, naming the place in the JSON and what is allowed there.
 */
export function parseFilter(json: unknown, rules: FilterRules = defaultFilterRules): Filter {
  return parseObject(json, 'filter', 1, { rules, terms: 0 })
}

function parseObject(json: unknown, path: string, depth: number, parse: Parse): Filter {
  if (depth > limits.filterDepthMax) throw invalid(path, `nests deeper than ${limits.filterDepthMax} levels: flatten it`)
  if (!isPlainObject(json)) throw invalid(path, `expected an object, found ${nameOf(json)}`)
  const entries = Object.entries(json)
  checkSingle(entries.length, path, 'key', parse)
  if (entries.length === 0) countTerms(1, path, parse)
  const parts = entries.flatMap(([key, value]): Filter[] => {
    const inner = `${path}.${key}`
    if (!key.startsWith('$')) return parseField(key, value, inner, parse)
    const { logicalOperators, fieldOperators } = parse.rules
    if (!logicalOperators.includes(key as LogicalOperator)) {
      const keys = `a metadata key with one of ${fieldOperators.join(', ')}`
      throw invalid(inner, `unknown operator, expected ${[...logicalOperators, keys].join(' or ')}`)
    }
    if (key === '$not') return [{ op: 'not', filter: parseObject(value, inner, depth + 1, parse) }]
    return [{ op: key === '$and' ? 'and' : 'or', filters: parseFilters(value, inner, depth, parse) }]
  })
  return parts.length === 1 ? parts[0]! : { op: 'and', filters: parts }
}

function parseFilters(json: unknown, path: string, depth: number, parse: Parse): Filter[] {
  if (!Array.isArray(json) || (json.length === 0 && !parse.rules.allowsEmptyLogic)) {
    throw invalid(path, `expected a list of one filter or more, found ${nameOf(json)}`)
  }
  return Array.from(json, (each, i) => parseObject(each, `${path}[${i}]`, depth + 1, parse))
}

function parseField(key: string, json: unknown, path: string, parse: Parse): Filter[] {
  if (isScalar(json)) return [{ op: 'eq', key, value: parseScalar(json, path, parse) }]
  const operators = parse.rules.fieldOperators.join(', ')
  if (!isPlainObject(json)) {
    throw invalid(path, `expected a string, a number, a boolean or an object with one of ${operators}, found ${nameOf(json)}`)
  }
  const entries = Object.entries(json)
  if (entries.length === 0) throw invalid(path, `expected one of ${operators}, found {}`)
  checkSingle(entries.length, path, 'operator', parse)
  return entries.map(([operator, argument]) => {
    if (!parse.rules.fieldOperators.includes(operator as FieldOperator)) {
      throw invalid(`${path}.${operator}`, `unknown operator, expected one of ${operators}`)
    }
    return parseOperator(key, operator as FieldOperator, argument, `${path}.${operator}`, parse)
  })
}

function parseOperator(key: string, operator: FieldOperator, json: unknown, path: string, parse: Parse): Filter {
  switch (operator) {
    case '$eq':
    case '$ne':
      return { op: operator === '$eq' ? 'eq' : 'ne', key, value: parseScalar(json, path, parse) }
    case '$contains':
    case '$not_contains':
      return { op: operator === '$contains' ? 'contains' : 'notContains', key, value: parseScalar(json, path, parse) }
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      const fits = typeof json === 'number' || typeof json === 'bigint' || (typeof json === 'string' && parse.rules.ordersStrings)
      if (!fits) throw invalid(path, `expected a number${parse.rules.ordersStrings ? ' or a string' : ''}, found ${nameOf(json)}`)
      return { op: operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', key, value: parseScalar(json, path, parse) }
    }
    case '$in':
    case '$nin':
      return { op: operator === '$in' ? 'in' : 'nin', key, values: parseScalars(json, path, parse) }
    case '$exists':
      if (typeof json !== 'boolean') throw invalid(path, `expected true or false, found ${nameOf(json)}`)
      countTerms(1, path, parse)
      return { op: 'exists', key, exists: json }
    case '$startsWith':
      if (typeof json !== 'string') throw invalid(path, `expected a string, found ${nameOf(json)}`)
      countTerms(1, path, parse)
      return { op: 'startsWith', key, value: json }
  }
}

function parseScalars(json: unknown, path: string, parse: Parse): Scalar[] {
  if (!Array.isArray(json) || json.length === 0) throw invalid(path, `expected a list of one value or more, found ${nameOf(json)}`)
  const values = Array.from(json, (each, i) => parseScalar(each, `${path}[${i}]`, parse))
  if (parse.rules.oneTypePerList) {
    values.forEach((value, i) => {
      if (kindOf(value) !== kindOf(values[0]!)) throw invalid(`${path}[${i}]`, `expected a ${kindOf(values[0]!)} like the first, found ${nameOf(value)}`)
    })
  }
  return values
}

function parseScalar(json: unknown, path: string, parse: Parse): Scalar {
  if (!isScalar(json)) throw invalid(path, `expected a string, a number or a boolean, found ${nameOf(json)}`)
  if (typeof json === 'number' && !Number.isFinite(json)) throw invalid(path, `expected a finite number, found ${json}`)
  countTerms(1, path, parse)
  return json
}

function countTerms(count: number, path: string, parse: Parse): void {
  parse.terms += count
  if (parse.terms > parse.rules.termsMax) throw invalid(path, `the filter compares with more than ${parse.rules.termsMax} values: split the query`)
}

function checkSingle(count: number, path: string, what: string, { rules }: Parse): void {
  if (rules.oneEntryPerObject && count !== 1) throw invalid(path, `expected one ${what}, found ${count}: combine with $and`)
}

// A Map or a Date has no entries of its own and would pass for {}, which matches everything.
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function kindOf(value: Scalar): string {
  return typeof value === 'bigint' ? 'number' : typeof value
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  return isScalar(value) ? String(value) : isPlainObject(value) ? 'an object' : `a ${typeof value} that JSON has not`
}

function invalid(path: string, what: string): WindlassError {
  return new WindlassError('invalid', `${path}: ${what}`, { path })
}
