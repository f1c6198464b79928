import type { Filter, Scalar } from '../../engine/query/filter.ts'
import { conditionOf, placeKeys, translate, type ConditionForms, type LeafCondition } from '../destinations/filter-condition.ts'
import { literal } from './identifiers.ts'

// Values are constants of the SQL and not its parameters: parts that turn out to say nothing are left out, and a parameter that no
// statement uses is an error of Postgres.
const constant = (text: string) => literal(text.replaceAll('\0', ''))

const forms: ConditionForms<string> = {
  and: (parts) => `(${parts.join(' and ')})`,
  or: (parts) => `(${parts.join(' or ')})`,
  leaf(condition) {
    const { key } = condition
    if (key === 'source') return ofPath(condition)
    if (placeKeys.has(key)) return null
    const value = `(d.metadata -> ${constant(key)})`
    // A list matches by any of its values.
    const orList = (form: string) => `(case jsonb_typeof(${value}) when 'array' then true else ${form} end)`
    switch (condition.op) {
      case 'in':
        return orList(`coalesce(${value} in (${condition.values.flatMap(jsonForms).map((each) => `${constant(each)}::jsonb`).join(', ') || 'null'}), false)`)
      case 'startsWith':
        return orList(`coalesce(starts_with(${value} #>> '{}', ${constant(condition.value)}), false)`)
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte': {
        const bound = condition.value
        if (typeof bound !== 'number' && typeof bound !== 'bigint') return null
        const operator = { gt: '>', gte: '>=', lt: '<', lte: '<=' }[condition.op]
        // Whole numbers beyond 2^53 are kept as text.
        return `(case jsonb_typeof(${value}) when 'number' then (${value} #>> '{}')::numeric ${operator} ${constant(String(bound))}::numeric when 'string' then true when 'array' then true else false end)`
      }
      default:
        return null
    }
  },
}

/** SQL of a condition that lets pass all that a filter does, and perhaps more: what it finds is filtered again. Null: it says nothing. */
export function filterSql(filter: Filter | undefined): string | null {
  return filter ? translate(conditionOf(filter), forms) : null
}

function ofPath(condition: LeafCondition): string | null {
  if (condition.op === 'in') return `d.path in (${condition.values.map((value) => constant(String(value))).join(', ') || 'null'})`
  return condition.op === 'startsWith' ? `starts_with(d.path, ${constant(condition.value)})` : null
}

function jsonForms(value: Scalar): string[] {
  if (typeof value === 'bigint') return [String(value), JSON.stringify(String(value))]
  return [JSON.stringify(value)]
}
