import { RE2JS, RE2JSException } from 're2js'
import type { DocumentTest, Where } from '../../engine/where/where.ts'
import type { FilterRules, Scalar } from '../../engine/query/filter.ts'
import { invalid } from './errors.ts'
import type { Json } from './parse-json.ts'
import { isObject, type JsonObject } from './read-body.ts'
import { literalsOf } from './regex-literals.ts'

/** A comparison looks at single values only; elements of lists are for `$contains`. */
const single: FilterRules = { negationMatchesMissing: true, looksIntoLists: false }
const withElements: FilterRules = { negationMatchesMissing: true, looksIntoLists: true }

const depthMax = 32
const termsMax = 10_000
const patternLengthMax = 10_000
const documentKey = '#document'

/**
 * The condition of a request: `where` and `where_document` both hold.
 * @throws {ChromaError} 400 with the reference's words.
 */
export function readWhere(body: JsonObject): Where | undefined {
  const state = { terms: 0 }
  const parts: Where[] = []
  if (body.where !== undefined && body.where !== null) parts.push(readMetadataWhere(body.where, state, 1))
  if (body.where_document !== undefined && body.where_document !== null) parts.push(readDocumentWhere(body.where_document, state, 1))
  if (parts.length === 0) return undefined
  return parts.length === 1 ? parts[0] : { op: 'and', parts }
}

interface State {
  terms: number
}

const badWhere = () => invalid('Invalid where clause')
const badDocument = () => invalid('Invalid where document clause')

/** One `where` object: exactly one key. */
export function readMetadataWhere(json: Json, state: State = { terms: 0 }, depth = 1): Where {
  const [key, value] = onlyEntry(json, badWhere, state, depth)
  if (key === '$and' || key === '$or') {
    if (!Array.isArray(value)) throw badWhere()
    return { op: key === '$and' ? 'and' : 'or', parts: value.map((each) => readMetadataWhere(each, state, depth + 1)) }
  }
  if (key.startsWith('$')) throw badWhere()
  if (isScalar(value)) {
    if (key === documentKey) throw invalid(`Cannot filter using metadata key '#document' with type '${typeNames[typeof value]}' because indexing is disabled`)
    return { op: 'metadata', filter: { op: 'eq', key, value }, rules: single }
  }
  const [operator, argument] = onlyEntry(value, badWhere, state, depth)
  return key === documentKey ? readDocumentOperator(operator, argument, badWhere) : readOperator(key, operator, argument, state)
}

const typeNames: Readonly<Record<string, string>> = { string: 'Str', boolean: 'Bool', bigint: 'Int', number: 'Float' }

function readOperator(key: string, operator: string, argument: Json, state: State): Where {
  const metadata = (filter: Extract<Where, { op: 'metadata' }>['filter'], rules = single): Where => ({ op: 'metadata', filter, rules })
  switch (operator) {
    case '$eq':
    case '$ne':
      if (!isScalar(argument)) throw badWhere()
      return metadata({ op: operator === '$eq' ? 'eq' : 'ne', key, value: argument })
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (typeof argument !== 'bigint' && typeof argument !== 'number') throw badWhere()
      return metadata({ op: operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', key, value: argument })
    case '$in':
    case '$nin': {
      if (!Array.isArray(argument) || argument.length === 0 || !argument.every(isScalar) || new Set(argument.map((each) => typeof each)).size > 1) throw badWhere()
      state.terms += argument.length
      if (state.terms > termsMax) throw invalid(`Invalid where clause: more than ${termsMax} values to compare with`)
      return metadata({ op: operator === '$in' ? 'in' : 'nin', key, values: argument })
    }
    case '$contains':
    case '$not_contains': {
      if (!isScalar(argument)) throw badWhere()
      const filter = { op: 'eq', key, value: argument } as const
      // An element of a list, and not the value itself: no row has both under one key.
      const contains: Where = { op: 'and', parts: [metadata(filter, withElements), { op: 'not', part: metadata(filter) }] }
      return operator === '$contains' ? contains : { op: 'not', part: contains }
    }
    default:
      throw badWhere()
  }
}

function readDocumentWhere(json: Json, state: State, depth: number): Where {
  const [key, value] = onlyEntry(json, badDocument, state, depth)
  if (key === '$and' || key === '$or') {
    if (!Array.isArray(value)) throw badDocument()
    return { op: key === '$and' ? 'and' : 'or', parts: value.map((each) => readDocumentWhere(each, state, depth + 1)) }
  }
  return readDocumentOperator(key, value, badDocument)
}

function readDocumentOperator(operator: string, argument: Json, bad: () => Error): Where {
  const isNegated = operator.startsWith('$not_')
  const name = isNegated ? `$${operator.slice('$not_'.length)}` : operator
  if ((name !== '$contains' && name !== '$regex') || typeof argument !== 'string') throw bad()
  const part: Where = { op: 'document', test: name === '$contains' ? containsTest(argument) : regexTest(argument) }
  return isNegated ? { op: 'not', part } : part
}

function containsTest(text: string): DocumentTest {
  return { matches: (document) => document.includes(text), literals: text === '' ? [] : [text] }
}

/** RE2's algorithm: time is linear in the text, whatever the pattern. */
function regexTest(pattern: string): DocumentTest {
  if (pattern.length > patternLengthMax) throw invalid(`Regex syntax error: the pattern has ${pattern.length} characters, at most ${patternLengthMax}`)
  try {
    const compiled = RE2JS.compile(pattern)
    return { matches: (document) => compiled.matcher(document).find(), literals: literalsOf(pattern) }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw invalid(`Regex syntax error: ${error.message}`)
  }
}

function onlyEntry(json: Json, bad: () => Error, state: State, depth: number): [string, Json] {
  if (!isObject(json)) throw bad()
  if (depth > depthMax || ++state.terms > termsMax) throw bad()
  const entries = Object.entries(json)
  if (entries.length !== 1) throw bad()
  return entries[0]!
}

function isScalar(value: Json): value is Scalar {
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number'
}
