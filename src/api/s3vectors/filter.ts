import { S3VectorsError } from './errors.ts'
import { isObject } from './shapes.ts'
import type { IndexMode } from './vector-bucket.ts'

const comparisons = new Set(['$gt', '$gte', '$lt', '$lte'])
const constraintsMax = 100

/**
 * Checks a filter by the rules of the service, which are narrower than ours: no `$not`, numbers only for order, `$startsWith` on ENHANCED
 * indexes only, at most 100 constraints there. What passes means the same to our own filters.
 * @throws {S3VectorsError} `ValidationException` naming the place.
 */
export function checkFilter(filter: unknown, mode: IndexMode, nonFilterable: ReadonlySet<string>): void {
  const state = { constraints: 0, mode, nonFilterable }
  checkObject(filter, 'filter', state, 1)
  if (mode === 'ENHANCED' && state.constraints > constraintsMax) throw invalid(`Filter has ${state.constraints} constraints, at most ${constraintsMax} are allowed`)
}

interface State {
  constraints: number
  readonly mode: IndexMode
  readonly nonFilterable: ReadonlySet<string>
}

const depthMax = 16

function checkObject(filter: unknown, path: string, state: State, depth: number): void {
  if (!isObject(filter)) throw invalid(`Invalid ${path}: must be an object`)
  if (depth > depthMax) throw invalid(`Invalid ${path}: nests deeper than ${depthMax} levels`)
  const entries = Object.entries(filter)
  if (entries.length === 0) throw invalid(`Invalid ${path}: must not be empty`)
  for (const [key, value] of entries) {
    const inner = `${path}.${key}`
    if (key === '$and' || key === '$or') {
      if (!Array.isArray(value) || value.length === 0) throw invalid(`Invalid ${inner}: must be a non-empty list of filters`)
      value.forEach((each, i) => checkObject(each, `${inner}[${i}]`, state, depth + 1))
    } else if (key.startsWith('$')) throw invalid(`Invalid ${inner}: unknown operator`)
    else checkField(key, value, inner, state)
  }
}

function checkField(key: string, value: unknown, path: string, state: State): void {
  if (state.nonFilterable.has(key)) throw invalid(`Invalid ${path}: metadata key '${key}' is not filterable`)
  if (!isObject(value)) {
    state.constraints++
    if (!isPrimitive(value)) throw invalid(`Invalid ${path}: must be a string, number, boolean or an object with an operator`)
    return
  }
  const entries = Object.entries(value)
  if (entries.length === 0) throw invalid(`Invalid ${path}: must have an operator`)
  for (const [operator, argument] of entries) {
    state.constraints++
    checkOperator(operator, argument, `${path}.${operator}`, state.mode)
  }
}

function checkOperator(operator: string, argument: unknown, path: string, mode: IndexMode): void {
  if (operator === '$eq' || operator === '$ne') {
    if (!isPrimitive(argument)) throw invalid(`Invalid ${path}: must be a string, number or boolean`)
  } else if (comparisons.has(operator)) {
    if (typeof argument !== 'number' && typeof argument !== 'bigint') throw invalid(`Invalid ${path}: must be a number`)
  } else if (operator === '$in' || operator === '$nin') {
    if (!Array.isArray(argument) || argument.length === 0 || !argument.every(isPrimitive)) throw invalid(`Invalid ${path}: must be a non-empty list of strings, numbers or booleans`)
  } else if (operator === '$exists') {
    if (typeof argument !== 'boolean') throw invalid(`Invalid ${path}: must be a boolean`)
  } else if (operator === '$startsWith') {
    if (mode === 'CLASSIC') throw invalid(`Invalid ${path}: $startsWith needs an index in ENHANCED mode`)
    if (typeof argument !== 'string') throw invalid(`Invalid ${path}: must be a string`)
  } else throw invalid(`Invalid ${path}: unknown operator`)
}

function isPrimitive(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))
}

function invalid(message: string): S3VectorsError {
  return new S3VectorsError('ValidationException', message)
}
