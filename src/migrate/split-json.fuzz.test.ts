import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitJson, type JsonPart } from './split-json.ts'

async function partsOf(text: string, cuts: readonly number[], path?: string): Promise<JsonPart[]> {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b)
  const pieces = (async function* () {
    let start = 0
    for (const place of [...places, text.length]) {
      yield text.slice(start, place)
      start = place
    }
  })()
  const parts: JsonPart[] = []
  for await (const part of splitJson(pieces, path === undefined ? {} : { path })) parts.push(part)
  return parts
}

const cuts = fc.array(fc.nat(10_000), { maxLength: 20 })
const indent = fc.constantFrom(undefined, 1, '\t')

test('the elements of an array, wherever the text is cut, are those that JSON.parse gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), cuts, indent, async (values, places, space) => {
      const text = JSON.stringify(values, null, space)
      expect((await partsOf(text, places)).map(({ text: part }) => JSON.parse(part) as unknown)).toEqual(JSON.parse(text))
    }),
  )
})

test('the members of an object keep their names', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), cuts, indent, async (value, places, space) => {
      const text = JSON.stringify(value, null, space)
      const entries = (await partsOf(text, places)).map(({ name, text: part }) => [name, JSON.parse(part)] as [string, unknown])
      expect(Object.fromEntries(entries)).toEqual(JSON.parse(text))
    }),
  )
})

test('a list in a member is found among others, before and behind it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()), cuts, async (before, after, list, places) => {
      const { vectors: _, ...others } = before
      const text = JSON.stringify({ ...others, vectors: list, ...Object.fromEntries(Object.entries(after).filter(([name]) => name !== 'vectors')) })
      expect((await partsOf(text, places, 'vectors')).map(({ text: part }) => JSON.parse(part) as unknown)).toEqual(JSON.parse(JSON.stringify(list)))
    }),
  )
})

test('a text that ends early gives what was whole, and then an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue(), { minLength: 1 }), fc.nat(10_000), cuts, async (values, end, places) => {
      const text = JSON.stringify(values)
      const part = text.slice(0, 1 + (end % (text.length - 1)))
      const found: unknown[] = []
      const read = async () => {
        for await (const each of splitJson((async function* () { yield part })())) found.push(JSON.parse(each.text))
      }
      await expect(read()).rejects.toMatchObject({ kind: 'invalid' })
      expect(found).toEqual((JSON.parse(text) as unknown[]).slice(0, found.length))
      expect(await partsOf(text, places)).toHaveLength(values.length)
    }),
  )
})
