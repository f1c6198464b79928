import type { Filter, Scalar } from '../../../engine/query/filter.ts'
import { conditionOf, placeKeys, translate, type ConditionForms } from '../filter-condition.ts'
import { factLengthMax } from './opensearch-index.ts'

/** A clause of OpenSearch's query language. */
export type Clause = Readonly<Record<string, unknown>>

const forms: ConditionForms<Clause> = {
  and: (clauses) => ({ bool: { filter: clauses } }),
  or: (clauses) => ({ bool: { should: clauses, minimum_should_match: 1 } }),
  leaf(condition) {
    const { key, op } = condition
    if (placeKeys.has(key)) return null
    switch (op) {
      case 'in':
        return anyOf(key, condition.values)
      case 'nin':
        // Beginnings that are alike say nothing of what follows.
        return condition.values.some((value) => typeof value === 'string' && value.length >= factLengthMax) ? null : { bool: { must_not: [anyOf(key, condition.values)] } }
      case 'exists':
        if (key === 'source') return null
        return condition.exists ? fact(key) : { bool: { must_not: [fact(key)] } }
      case 'startsWith':
        return onText(key, 'prefix', condition.value.slice(0, factLengthMax))
      default: {
        const { value } = condition
        if (typeof value === 'boolean') return null
        if (typeof value !== 'string') return key === 'source' ? null : fact(key, { range: { 'facts.number': { [op]: value } } })
        // A beginning that is equal may go on either way.
        const bound = value.slice(0, factLengthMax)
        return onText(key, 'range', { [op === 'gt' || op === 'gte' ? 'gte' : 'lte']: op === 'lt' || op === 'lte' ? `${bound}\u{10ffff}` : bound })
      }
    }
  },
}

/** Clauses of a search for one vectorizer's chunks, all of which must hold. */
export function toClauses(vectorizer: string, filter: Filter | undefined): Clause[] {
  const own = { term: { vectorizer } }
  const theirs = filter && translate(conditionOf(filter), forms)
  return theirs ? [own, theirs] : [own]
}

function anyOf(key: string, values: readonly Scalar[]): Clause {
  const texts = values.filter((value) => typeof value === 'string').map((value) => value.slice(0, factLengthMax))
  if (key === 'source') return { terms: { path: values.filter((value) => typeof value === 'string') } }
  const numbers = values.filter((value) => typeof value === 'number')
  const flags = values.filter((value) => typeof value === 'boolean')
  const parts = [texts.length > 0 && { terms: { 'facts.text': texts } }, numbers.length > 0 && { terms: { 'facts.number': numbers } }, flags.length > 0 && { terms: { 'facts.flag': flags } }].filter((part) => part !== false)
  return fact(key, { bool: { should: parts, minimum_should_match: 1 } })
}

function onText(key: string, query: 'prefix' | 'range', value: unknown): Clause {
  return key === 'source' ? { [query]: { path: value } } : fact(key, { [query]: { 'facts.text': value } })
}

function fact(key: string, value?: Clause): Clause {
  return { nested: { path: 'facts', query: { bool: { filter: [{ term: { 'facts.key': key.slice(0, factLengthMax) } }, ...(value ? [value] : [])] } } } }
}
