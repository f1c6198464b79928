import type { Where } from '../../engine/where/where.ts'
import { invalid } from './errors.ts'
import { parseJson, type Json } from './parse-json.ts'
import { isObject, member } from './read-body.ts'
import type { ChromaSettings } from './settings.ts'

/** Names of a value's type in a schema, of its index there, and in the message. */
const kinds = {
  string: { type: 'string', index: 'string_inverted_index', shown: 'Str' },
  bigint: { type: 'int', index: 'int_inverted_index', shown: 'Int' },
  number: { type: 'float', index: 'float_inverted_index', shown: 'Float' },
  boolean: { type: 'bool', index: 'bool_inverted_index', shown: 'Bool' },
} as const

/**
 * Holds a condition against the schema that a client gave its collection. Our index has every key; what a schema switches off is refused
 * all the same, for an application that asks for it has made a mistake it wants to hear of.
 * @throws {ChromaError} 400 with the reference's words.
 */
export function checkIndexes(where: Where | undefined, { schema }: ChromaSettings): void {
  if (where && schema !== null) check(where, parseJson(schema))
}

function check(where: Where, schema: Json): void {
  switch (where.op) {
    case 'and':
    case 'or':
      for (const part of where.parts) check(part, schema)
      return
    case 'not':
      return check(where.part, schema)
    case 'document':
      if (enabled(at(schema, 'keys', '#document', 'string', 'fts_index')) === false) throw invalid('Cannot filter documents because the FTS index is disabled')
      return
    case 'metadata': {
      const { filter } = where
      if (!('key' in filter)) return
      const value = 'value' in filter ? filter.value : 'values' in filter ? filter.values[0] : undefined
      if (value === undefined) return
      const { type, index, shown } = kinds[typeof value as keyof typeof kinds]
      const isEnabled = enabled(at(schema, 'keys', filter.key, type, index)) ?? enabled(at(schema, 'defaults', type, index))
      if (isEnabled === false) throw invalid(`Cannot filter using metadata key '${filter.key}' with type '${shown}' because indexing is disabled`)
    }
  }
}

function at(schema: Json, ...path: readonly string[]): Json | undefined {
  let place: Json | undefined = schema
  for (const name of path) place = isObject(place) ? member(place, name) : undefined
  return place
}

function enabled(index: Json | undefined): boolean | undefined {
  const value = isObject(index) ? index.enabled : undefined
  return typeof value === 'boolean' ? value : undefined
}
