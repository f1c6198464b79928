import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arbitraryText } from '../testing/arbitraries.ts'
import {
  catalogKey,
  dataPrefix,
  decodeCatalogEntry,
  encodeCatalogEntry,
  nameOfCatalogKey,
  type CatalogEntry,
} from './catalog-entry.ts'
import { crc32c } from './checksum.ts'

const entry: CatalogEntry = {
  formatVersion: 1,
  needs: [],
  name: 'notes/é',
  id: 'c1',
  version: 2,
  nonce: 'a'.repeat(32),
  state: 'live',
  createdAt: 1.5,
}
const key = catalogKey(entry.name)
const utf8 = new TextEncoder()

/** An entry with any members and a checksum that fits. */
function seal(members: object): Uint8Array {
  const text = JSON.stringify(members).slice(0, -1)
  return utf8.encode(`${text},"checksum":"${crc32c(utf8.encode(text)).toString(16).padStart(8, '0')}"}`)
}

describe('catalogKey', () => {
  test.each([
    ['plain-Name_1.v2', 'catalog/plain-Name_1.v2'],
    ['a/b', 'catalog/a%2Fb'],
    ['é 😀', 'catalog/%C3%A9%20%F0%9F%98%80'],
    ['.', 'catalog/%2E'],
    ['..', 'catalog/%2E%2E'],
    ['...', 'catalog/...'],
    ['../x', 'catalog/..%2Fx'],
    ['100%', 'catalog/100%25'],
    ["!*'()~", 'catalog/%21%2A%27%28%29%7E'],
  ])('of %j is %j', (name, expected) => {
    expect(catalogKey(name)).toBe(expected)
    expect(nameOfCatalogKey(expected)).toBe(name)
  })

  test('comes back as the name, has one part, and differs for different names', () => {
    fc.assert(
      fc.property(arbitraryText(), arbitraryText(), (a, b) => {
        fc.pre(a !== '' && b !== '')
        expect(nameOfCatalogKey(catalogKey(a))).toBe(a)
        expect(catalogKey(a).slice('catalog/'.length)).toMatch(/^(?!\.{1,2}$)([A-Za-z0-9_.%-]{1,200}\+\/)*[A-Za-z0-9_.%-]{1,200}$/)
        expect(catalogKey(a) === catalogKey(b)).toBe(a === b)
      }),
      { numRuns: 500 },
    )
  })

  test('refuses names that it cannot hold', () => {
    expect(() => catalogKey('')).toThrow(expect.objectContaining({ kind: 'invalid' }))
    expect(() => catalogKey('a\ud800')).toThrow(expect.objectContaining({ kind: 'invalid' }))
    expect(catalogKey('/'.repeat(300))).toHaveLength(908 + 2 * 4)
    expect(() => catalogKey('/'.repeat(301))).toThrow(
      expect.objectContaining({
        kind: 'too-large',
        message: expect.stringContaining('takes 903 bytes when encoded, at most 900'),
      }),
    )
  })
})

test('long names are cut between characters, and no key is a folder of another', () => {
  const cut = catalogKey(`${'a'.repeat(199)}/${'b'.repeat(300)}`)
  expect(cut).toBe(`catalog/${'a'.repeat(199)}+/%2F${'b'.repeat(197)}+/${'b'.repeat(103)}`)
  expect(nameOfCatalogKey(cut)).toBe(`${'a'.repeat(199)}/${'b'.repeat(300)}`)
  expect(cut.startsWith(`${catalogKey('a'.repeat(199))}/`)).toBe(false)
})

test('nameOfCatalogKey knows only keys that catalogKey gives', () => {
  for (const foreign of [
    'catalog/',
    'catalog/a%2fb',
    'catalog/%41',
    'catalog/a/b',
    'catalog/a b',
    'catalog/%FF',
    'catalog/..',
    'other/a',
    'catalog/%2Ea',
  ]) {
    expect(nameOfCatalogKey(foreign), foreign).toBeNull()
  }
})

describe('a catalog entry', () => {
  test('comes back as it was', () => {
    for (const state of ['live', 'pending', 'closing'] as const) {
      expect(decodeCatalogEntry(encodeCatalogEntry({ ...entry, state }), key)).toStrictEqual({ ...entry, state })
    }
    expect(decodeCatalogEntry(encodeCatalogEntry(entry), `some/prefix/${key}`)).toStrictEqual(entry)
  })

  test('is JSON for people', () => {
    expect(JSON.parse(new TextDecoder().decode(encodeCatalogEntry(entry)))).toEqual({
      ...entry,
      checksum: expect.stringMatching(/^[0-9a-f]{8}$/),
    })
  })

  test('of no bytes is a dropped name', () => {
    expect(decodeCatalogEntry(new Uint8Array(0), key)).toBeNull()
  })

  test('under the key of another name is refused', () => {
    expect(() => decodeCatalogEntry(encodeCatalogEntry(entry), catalogKey('other'))).toThrow(
      expect.objectContaining({ kind: 'corrupt', details: expect.objectContaining({ path: 'name' }) }),
    )
  })

  test.each([
    ['corrupt', { ...entry, id: 'a/b' }],
    ['corrupt', { ...entry, version: 0 }],
    ['corrupt', { ...entry, nonce: '' }],
    ['corrupt', { ...entry, state: 'gone' }],
    ['corrupt', { ...entry, createdAt: null }],
    ['corrupt', { ...entry, name: 'x' }],
    ['corrupt', { ...entry, formatVersion: 0 }],
    ['corrupt', { ...entry, needs: 'x' }],
    ['unsupported', { ...entry, formatVersion: 2 }],
    ['unsupported', { ...entry, needs: ['x'] }],
  ])('is %s with a wrong or newer member, even where the checksum fits (case %#)', (kind, members) => {
    expect(() => decodeCatalogEntry(seal(members), key)).toThrow(expect.objectContaining({ kind }))
  })

  test('may have members that this version does not know', () => {
    expect(decodeCatalogEntry(seal({ ...entry, hint: 1 }), key)).toStrictEqual(entry)
  })

  test('that could not be read back is not written', () => {
    expect(() => encodeCatalogEntry({ ...entry, version: 0 })).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

test('dataPrefix ends with a slash, so that no id is the prefix of another', () => {
  expect(dataPrefix('c1')).toBe('data/c1/')
})
