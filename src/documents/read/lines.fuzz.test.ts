import fc from 'fast-check'
import { expect, test } from 'vitest'
import { collect, fileOf } from '../testing.ts'
import { decodeAll, detectEncoding } from './encoding.ts'
import { cutAt, lineCharsMax, readLines, type Line } from './lines.ts'
import { openSource } from './source.ts'

const encoders: Record<string, (text: string) => Uint8Array> = {
  'utf-8': (text) => new TextEncoder().encode(text),
  'utf-16le': (text) => new Uint8Array(Buffer.from(text, 'utf16le')),
  'utf-16be': (text) => new Uint8Array(Buffer.from(text, 'utf16le').swap16()),
  'windows-1252': (text) => new Uint8Array(Buffer.from(text.replace(/[^\t-\r -~\xa0-\xff]/g, '?'), 'latin1')),
}

async function linesOf(bytes: Uint8Array, encoding: string, partBytes: number): Promise<Line[]> {
  const source = await openSource(fileOf('a.txt', bytes, partBytes), 0)
  return (await collect(readLines(source, detectEncoding(source, { encoding })))).flat()
}

const line = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 12 }))
const text = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 30 })
  .map((lines) => lines.flat().join(''))

test.each(Object.keys(encoders))(
  '%s: lines are those of the text, and lie where they say, however the bytes arrive',
  async (encoding) => {
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), async (text, partBytes) => {
        const bytes = encoders[encoding]!(text)
        const decode = (part: Uint8Array): string => decodeAll(part, { label: encoding, bomBytes: 0, width: null })
        const decoded = decode(bytes)
        fc.pre(!decoded.startsWith('\ufeff'))
        const lines = await linesOf(bytes, encoding, partBytes)
        const expected = decoded.split('\n').map((one, i, all) => (i < all.length - 1 ? one.replace(/\r$/, '') : one))
        if (expected[expected.length - 1] === '') expected.pop()
        expect(lines.map((one) => one.text)).toEqual(expected)
        expect(lines.map((one) => one.number)).toEqual(expected.map((_, i) => i + 1))
        for (const one of lines) expect(decode(bytes.subarray(one.byteStart, one.byteEnd))).toBe(one.text)
      }),
    )
  },
)

test('a line of any length comes in bounded pieces that join to it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('word ', 'x', '漢字', '😀', 'e\u0301', '👩‍👩‍👧'),
      fc.integer({ min: 1, max: 200_000 }),
      async (unit, count) => {
        const text = unit.repeat(Math.ceil(count / unit.length))
        const bytes = new TextEncoder().encode(`first\n${text}\nlast`)
        const lines = await linesOf(bytes, 'utf-8', 100_000)
        const pieces = lines.slice(1, -1)
        expect(pieces.map((piece) => piece.text).join('')).toBe(text)
        for (const piece of pieces) {
          expect(piece.text.length).toBeLessThanOrEqual(lineCharsMax)
          expect(piece.number).toBe(2)
          expect(piece.text.length % unit.length === 0 || unit === 'x').toBe(true)
          expect(new TextDecoder().decode(bytes.subarray(piece.byteStart, piece.byteEnd))).toBe(piece.text)
        }
        expect(pieces.map((piece) => piece.ended)).toEqual(pieces.map((_, i) => i === pieces.length - 1))
        expect(lines[lines.length - 1]).toMatchObject({ text: 'last', number: 3 })
      },
    ),
    { numRuns: 30 },
  )
})

test('cutAt makes progress and cuts between characters', () => {
  const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
        fc.string({ unit: fc.constantFrom('a', ' ', ' \u0301', '😀'), minLength: 1, maxLength: 60 }),
      ),
      fc.integer({ min: 1, max: 70 }),
      (text, charsMax) => {
        const cut = cutAt(text, charsMax)
        expect(cut).toBeGreaterThan(0)
        const characters = [...graphemes.segment(text)].map(({ index, segment }) => index + segment.length)
        expect(characters).toContain(cut)
        if (cut > charsMax) expect(cut).toBe(characters[0])
      },
    ),
    { numRuns: 2000 },
  )
})
