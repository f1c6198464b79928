import { describe, expect, test } from 'vitest'
import { parseFile } from '../testing.ts'
import { decodeAll } from './encoding.ts'

const read = async (bytes: Uint8Array, options = {}) => {
  const { encoding, blocks } = await parseFile('a.txt', bytes, options)
  return { encoding, text: blocks.map((block) => block.text).join('\n\n') }
}
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const utf16 = (text: string) => Buffer.from(text, 'utf16le')

describe('what is certain', () => {
  test.each([
    ['UTF-8 with a mark', new TextEncoder().encode('\uFEFFčaj'), 'utf-8', 'čaj'],
    ['UTF-8 without', new TextEncoder().encode('čaj'), 'utf-8', 'čaj'],
    ['ASCII', latin1('tea'), 'utf-8', 'tea'],
    ['UTF-16 LE with a mark', new Uint8Array(utf16('\uFEFFчай')), 'utf-16le', 'чай'],
    ['UTF-16 BE with a mark', new Uint8Array(utf16('\uFEFFчай').swap16()), 'utf-16be', 'чай'],
    ['UTF-16 LE without', new Uint8Array(utf16('tea in the harbour, naïve')), 'utf-16le', 'tea in the harbour, naïve'],
    ['UTF-16 BE without', new Uint8Array(utf16('tea in the harbour').swap16()), 'utf-16be', 'tea in the harbour'],
  ])('%s', async (_, bytes, encoding, text) => {
    expect(await read(bytes)).toEqual({ encoding, text })
  })

  test('UTF-32 is named and refused', async () => {
    await expect(read(hex('fffe0000 61000000'))).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('utf-32le'),
    })
  })
})

test('every byte of windows-1252 is the character that the Encoding Standard gives it', async () => {
  const c1 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'
  const label = { label: 'windows-1252', bomBytes: 0, width: 1 } as const
  for (let byte = 0; byte < 256; byte++) {
    const character = byte >= 0x80 && byte < 0xa0 ? c1[byte - 0x80]! : String.fromCharCode(byte)
    expect(decodeAll(new Uint8Array([byte, 0x0a]), label), byte.toString(16)).toBe(`${character}\n`)
  }
  expect((await read(latin1('<p>\x93so\x94</p>'), { encoding: 'windows-1252' })).text).toContain('“so”')
})

describe('what is declared', () => {
  test('by the caller, over everything but a byte order mark of the same encoding', async () => {
    expect(await read(hex('f7e0e9'), { encoding: 'windows-1251' })).toEqual({ encoding: 'windows-1251', text: 'чай' })
    expect(await read(new TextEncoder().encode('\uFEFFx'), { encoding: 'utf-8' })).toEqual({
      encoding: 'utf-8',
      text: 'x',
    })
    await expect(read(latin1('x'), { encoding: 'klingon' })).rejects.toMatchObject({
      kind: 'invalid',
      details: { path: 'encoding' },
    })
  })

  test('by the content type', async () => {
    expect(await read(hex('f7e0e9'), { contentType: 'text/plain; charset="windows-1251"' })).toMatchObject({
      text: 'чай',
    })
  })

  test('by HTML, unless the bytes are UTF-8 all the same', async () => {
    const page = (body: Uint8Array, charset: string) => Buffer.concat([latin1(`<meta charset=${charset}><p>`), body])
    expect((await parseFile('a.html', page(hex('f7e0e9'), 'windows-1251'))).blocks).toMatchObject([{ text: 'чай' }])
    expect((await parseFile('a.html', page(Buffer.from('чай'), 'iso-8859-1'))).blocks).toMatchObject([{ text: 'чай' }])
    expect((await parseFile('a.html', page(latin1('caf\xe9 cr\xe8me'), 'utf-8'))).blocks).toMatchObject([
      { text: 'café crème' },
    ])
  })
})

describe('what statistics tell', () => {
  test.each([
    [
      'windows-1252 or its like',
      latin1('Le caf\xe9 est tr\xe8s bon \xe0 l\x92\xe9cole, d\xe9j\xe0 vu en for\xeat. '.repeat(4)),
      /très bon à l’école/,
    ],
    [
      'Russian',
      hex('cff0e8e2e5f2 20 ece8f020 ffeaeef0fc 20 e220 e3e0e2e0ede8 20 eff0eef7edfbe920 eae0ede0f220'.repeat(4)),
      /Привет мир якорь в гавани/,
    ],
    ['Shift JIS', hex('82b182ea82cd93fa967b8cea82cc95b68fcd82c582b78142 0a'.repeat(6)), /これは日本語の文章です。/],
    ['ISO 2022-JP', hex('1b2442 2433246c244f467c4b5c386c 1b2842 0a'.repeat(4)), /これは日本語/],
  ])('%s', async (_, bytes, expected) => {
    expect((await read(bytes)).text).toMatch(expected)
  })
})

test('broken UTF-8 after the first MiB is replaced, and places end there', async () => {
  const good = 'word '.repeat(20) + '\n\n'
  const bytes = Buffer.concat([Buffer.from(good.repeat(11_000)), hex('ff fe 0a 0a'), Buffer.from('after')])
  const { blocks, encoding } = await parseFile('a.txt', bytes)
  expect(encoding).toBe('utf-8')
  expect(blocks[10_000]).toMatchObject({ byteStart: 10_000 * good.length, verbatim: true })
  expect(blocks[blocks.length - 1]).toEqual({
    kind: 'paragraph',
    text: 'after',
    headingPath: [],
    lineStart: 22_003,
    lineEnd: 22_003,
  })
})
