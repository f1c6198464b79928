// Filters of Qdrant, from its public reference ("Filtering"): conditions on payload keys, whose values may be lists.

type Condition = Readonly<Record<string, unknown>>

/** A filter that the real one would refuse. */
export class BadFilter extends Error {}

const conditionKinds = ['match', 'range', 'is_empty', 'is_null', 'has_id', 'must', 'should', 'must_not'] as const

/** Whether a point passes. `filter` may be absent: all do. */
export function passes(filter: unknown, point: { id: string | number; payload: unknown }): boolean {
  if (filter === undefined || filter === null) return true
  const { must, should, must_not: mustNot } = filter as Condition
  const holds = (condition: unknown) => holdsFor(condition as Condition, point)
  const isMust = listOf(must).every(holds)
  const isShould = should === undefined || listOf(should).some(holds)
  return isMust && isShould && !listOf(mustNot).some(holds)
}

function holdsFor(condition: Condition, point: { id: string | number; payload: unknown }): boolean {
  if (!conditionKinds.some((kind) => kind in condition)) throw new BadFilter(`data did not match any variant of untagged enum Condition: ${JSON.stringify(condition)}`)
  if ('must' in condition || 'should' in condition || 'must_not' in condition) return passes(condition, point)
  if ('has_id' in condition) return (condition.has_id as unknown[]).includes(point.id)
  if ('is_empty' in condition) return valuesAt(point.payload, (condition.is_empty as { key: string }).key).every((value) => value === null || value === undefined)
  if ('is_null' in condition) return valuesAt(point.payload, (condition.is_null as { key: string }).key).includes(null)
  const values = valuesAt(point.payload, String(condition.key))
  return 'match' in condition ? values.some((value) => matches(condition.match as Condition, value)) : values.some((value) => isWithin(condition.range as Condition, value))
}

function matches(match: Condition, value: unknown): boolean {
  if ('value' in match) {
    if (typeof match.value === 'number' && !Number.isInteger(match.value)) throw new BadFilter('match.value: expected a string, an integer or a boolean, found a float')
    return match.value === value
  }
  if ('any' in match) return (match.any as unknown[]).includes(value)
  if ('except' in match) return !(match.except as unknown[]).includes(value)
  throw new BadFilter(`match of no known kind: ${JSON.stringify(match)}`)
}

function isWithin({ gt, gte, lt, lte }: Condition, value: unknown): boolean {
  for (const bound of [gt, gte, lt, lte]) if (bound !== undefined && bound !== null && typeof bound !== 'number') throw new BadFilter('range: expected a number')
  if (typeof value !== 'number') return false
  return !(value <= (gt as number)) && !(value < (gte as number)) && !(value >= (lt as number)) && !(value > (lte as number))
}

/** Values at `a.b` or `a."b c"`; those of a list one by one. */
function valuesAt(payload: unknown, key: string): unknown[] {
  const steps = [...key.matchAll(/"([^"]+)"|([^."[\]]+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
  if (steps.map((step) => (/^[A-Za-z0-9_-]+$/.test(step) ? step : `"${step}"`)).join('.') !== key) throw new BadFilter(`Invalid JSON path: ${key}`)
  const value = steps.reduce<unknown>((at, step) => (typeof at === 'object' && at !== null && !Array.isArray(at) ? (at as Condition)[step] : undefined), payload)
  return Array.isArray(value) ? value : value === undefined ? [] : [value]
}

function listOf(conditions: unknown): readonly unknown[] {
  return conditions === undefined || conditions === null ? [] : Array.isArray(conditions) ? conditions : [conditions]
}
