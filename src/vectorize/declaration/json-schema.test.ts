import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keysAt, schemaFileText } from './json-schema.ts'

const file = join(import.meta.dirname, '../../../windlass.schema.json')

// UPDATE_FILES=1 npx vitest run src/vectorize/declaration
test('windlass.schema.json is what the declaration says', () => {
  if (process.env.UPDATE_FILES) writeFileSync(file, schemaFileText())
  expect(readFileSync(file, 'utf8')).toBe(schemaFileText())
})

test('the schema is of what is written: defaults may be left out, unknown keys may not be there', () => {
  const schema = JSON.parse(schemaFileText()) as { additionalProperties: boolean; properties: { vectorizers: { items: { required: string[] } } } }
  expect(schema.additionalProperties).toBe(false)
  expect(schema.properties.vectorizers.items.required).toEqual(['name', 'source', 'destinations'])
})

test('the keys of a union are those of the variant that is written', () => {
  const data = { vectorizers: [{ source: { type: 'git' } }] }
  expect(keysAt(['vectorizers', 0, 'source'], data)).toEqual(['type', 'path', 'ref', 'include', 'exclude'])
  expect(keysAt(['vectorizers', 0, 'source'], { vectorizers: [{ source: {} }] })).toEqual([])
})
