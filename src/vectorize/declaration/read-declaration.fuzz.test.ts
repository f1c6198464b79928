import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { isWindlassError } from '../../base/errors.ts'
import { readDeclaration } from './read-declaration.ts'

const valid = {
  version: 1,
  bucket: 'memory:',
  vectorizers: [
    { name: 'a', source: { type: 'folder', path: '.', include: ['*.md'] }, chunking: { tokens: 100 }, embedding: { provider: 'openai', model: 'm' }, destinations: [{ type: 'collection', name: 'a' }], metadata: { x: 1 } },
    { name: 'b', source: { type: 'urls', urls: ['https://a.example/'] }, destinations: [{ type: 'openai', vectorStore: 'vs_1' }] },
  ],
}

/** Every place in a value, as the steps that lead there. */
function placesIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.keys(value).flatMap((key) => placesIn((value as Record<string, unknown>)[key], [...path, Array.isArray(value) ? Number(key) : key]))]
}

function replaced(value: unknown, [step, ...rest]: readonly (string | number)[], by: unknown): unknown {
  if (step === undefined) return by
  if (Array.isArray(value)) return value.map((item, i) => (i === step ? replaced(item, rest, by) : (item as unknown)))
  return { ...(value as object), [step]: replaced((value as Record<string, unknown>)[step], rest, by) }
}

/** The message of a text that is refused; null of one that is not. */
function refusal(text: string): string | null {
  try {
    readDeclaration(text, 'w.yaml')
    return null
  } catch (error) {
    if (!isWindlassError(error, 'invalid')) throw error
    return error.message
  }
}

test('whatever stands anywhere is taken or refused with its place, and nothing else happens', () => {
  const strange = fc.oneof(fc.json().map((text) => JSON.parse(text) as unknown), fc.constantFrom(null, '', [], {}, { type: null }, [[]], -1, 1e300, '__proto__', { __proto__: 1 }))
  fc.assert(
    fc.property(fc.constantFrom(...placesIn(valid)), strange, (place, value) => {
      const message = refusal(JSON.stringify(replaced(valid, place, value)))
      if (message !== null) for (const line of message.split('\n')) expect(line).toMatch(/^(w\.yaml:\d+:\d+: |and \d+ more)/)
    }),
  )
})

test('any text at all is a declaration or refused', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string().map((text) => stringify(valid).replace('memory:', text)), fc.nat(400).map((cut) => stringify(valid).slice(0, cut))), (text) => void refusal(text)))
})

test('a secret is refused wherever it stands, and shown nowhere', () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{20}$/).map((tail) => `sk-proj-${tail}`)
  fc.assert(
    fc.property(fc.constantFrom(...placesIn(valid)), secret, (place, value) => {
      const message = refusal(JSON.stringify(replaced(valid, place, value)))
      expect(message).toMatch(/looks like a secret/)
      expect(message).not.toContain(value.slice(8))
    }),
  )
})
