/** One line of the filter form. */
export interface Condition {
  readonly field: string
  readonly operator: Operator
  /** As typed; what it means is said by the field's types. */
  readonly value: string
}

export type Operator = 'is' | 'is-not' | 'any-of' | 'at-least' | 'at-most' | 'starts-with' | 'exists' | 'is-absent'

export type FieldType = 'string' | 'number' | 'boolean' | 'list' | 'object'

export interface Field {
  readonly field: string
  readonly types: readonly FieldType[]
  readonly count: number
  readonly values: readonly { readonly value: string | number | boolean; readonly count: number }[]
  readonly isComplete: boolean
  readonly min?: number
  readonly max?: number
}

export const operatorNames: Readonly<Record<Operator, string>> = {
  is: 'is',
  'is-not': 'is not',
  'any-of': 'is one of',
  'at-least': 'is at least',
  'at-most': 'is at most',
  'starts-with': 'starts with',
  exists: 'exists',
  'is-absent': 'is absent',
}

/** What can be asked of a field, by what its values are. */
export function operatorsOf(types: readonly FieldType[]): Operator[] {
  const operators: Operator[] = ['is', 'is-not', 'any-of']
  if (types.includes('number')) operators.push('at-least', 'at-most')
  if (types.includes('string')) operators.push('starts-with')
  return [...operators, 'exists', 'is-absent']
}

export function needsValue(operator: Operator): boolean {
  return operator !== 'exists' && operator !== 'is-absent'
}

/**
 * The filter JSON of conditions that must all hold; undefined where there are none. A condition without the value it needs is not finished,
 * and left out.
 */
export function toFilter(conditions: readonly Condition[], fields: readonly Field[]): unknown {
  const parts = conditions.filter(({ field, operator, value }) => field !== '' && (!needsValue(operator) || value.trim() !== '')).map((condition) => partOf(condition, typesOf(condition.field, fields)))
  if (parts.length === 0) return undefined
  return parts.length === 1 ? parts[0] : { $and: parts }
}

function partOf({ field, operator, value }: Condition, types: readonly FieldType[]): unknown {
  switch (operator) {
    case 'is':
      return { [field]: { $eq: parseValue(value, types) } }
    case 'is-not':
      return { [field]: { $ne: parseValue(value, types) } }
    case 'any-of':
      return { [field]: { $in: value.split(',').map((each) => each.trim()).filter((each) => each !== '').map((each) => parseValue(each, types)) } }
    case 'at-least':
      return { [field]: { $gte: Number(value) } }
    case 'at-most':
      return { [field]: { $lte: Number(value) } }
    case 'starts-with':
      return { [field]: { $startsWith: value } }
    case 'exists':
      return { [field]: { $exists: true } }
    case 'is-absent':
      return { [field]: { $exists: false } }
  }
}

/** `2024` is a number in a field of numbers, and a text in one of texts: a filter never takes one for the other. */
export function parseValue(text: string, types: readonly FieldType[]): string | number | boolean {
  const value = text.trim()
  if (types.includes('boolean') && (value === 'true' || value === 'false')) return value === 'true'
  // A list does not say of what: a number is taken for one, where no text is seen.
  if ((types.includes('number') || (types.includes('list') && !types.includes('string'))) && value !== '' && Number.isFinite(Number(value))) return Number(value)
  return value
}

function typesOf(field: string, fields: readonly Field[]): readonly FieldType[] {
  const found = fields.find((each) => each.field === field)
  if (!found) return ['string']
  if (!found.types.includes('list')) return found.types
  // Of a list it is its values that are compared.
  return [...new Set<FieldType>(found.values.map(({ value }) => typeof value as 'string' | 'number' | 'boolean'))]
}
