import { expect, test } from 'vitest'
import { encodePostings } from './encode-postings.ts'
import { PostingsEncoder } from './postings-format.ts'
import { MemoryPostings, StoredPostings } from './postings.ts'

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')

const bytesOf = (text: string) => Uint8Array.from(text.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16))

test('the bytes are those that postings-format.ts draws', () => {
  const postings = new MemoryPostings()
  postings.add(0, ['to', 'be', 'to'])
  postings.add(2, ['be', 'tom'])
  expect(hex(postings.toBytes((row) => row, 4))).toBe(
    [
      '01 01 00 00', // version, length width
      '04 00 00 00', // rows
      '02 00 00 00', // documents
      '03 00 00 00', // terms
      '00 00 00 00 00 00 14 40', // 5 terms in all, as float64
      '11 00 00 00 05 00 00 00', // sizes of dictionary and postings
      '00 00 00 00 00 00 00 00', // block 0
      '04 00 03 00', // lengths + 1
      '00 02 62 65 02 02', // be: 2 rows, 2 bytes
      '00 02 74 6f 01 02', // to: 1 row, 2 bytes
      '02 01 6d 01 01', // tom
      '01 03', // be: row 0, row 2, once each
      '00 00', // to: row 0, twice
      '05', // tom: row 2
    ].join(' '),
  )
})

test('long lists have a table of groups, and long rows and counts more than one byte', () => {
  const postings = new MemoryPostings()
  const long = Array.from({ length: 70_000 }, () => 'again')
  for (let row = 0; row < 300; row++) postings.add(row * 1000, row === 129 ? long : ['again'])
  const stored = StoredPostings.open(postings.toBytes())
  const { rows, counts } = stored.find('again')!
  expect(Array.from(rows)).toEqual(Array.from({ length: 300 }, (_, row) => row * 1000))
  expect(Array.from(counts)).toEqual(Array.from({ length: 300 }, (_, row) => (row === 129 ? 70_000 : 1)))
  expect(stored.lengthOf(129_000)).toBe(70_000)
  expect(stored.lengthOf(128_000)).toBe(1)
  expect(stored.termTotal).toBe(70_299)
})

test('a table says for each group its last row, its highest count, its shortest row, its size', () => {
  const postings = new MemoryPostings()
  for (let row = 0; row < 129; row++) postings.add(row, row === 5 ? ['x', 'x', 'y'] : ['x', 'y'])
  const bytes = postings.toBytes()
  const start = 32 + 8 + 129 + 14 // header, block, lengths, dictionary
  expect(hex(bytes.subarray(start, start + 10))).toBe('80 01 02 02 81 01 01 01 02 01')
})

test.each([254, 255, 65_534, 65_535])('a row of %i terms keeps its length', (length) => {
  const postings = new MemoryPostings()
  postings.add(0, Array.from({ length }, () => 'a'))
  postings.add(2, ['a'])
  const stored = StoredPostings.open(postings.toBytes())
  expect([0, 1, 2].map((row) => stored.lengthOf(row))).toEqual([length, 0, 1])
})

test.each([
  ['a number of terms that is none', 'ff', '00 02 62 65 02 02', '01 03', /it has NaN terms/],
  ['a first term that shares', '40', '01 01 65 02 02 00', '01 03', /term block 0 is cut off/],
  ['a term longer than the dictionary', '40', '00 09 62 65 02 02', '01 03', /term block 0 is cut off/],
  ['a list longer than it says', '40', '00 02 62 65 02 01 ', '01 03', /1 bytes cannot list 2 rows/],
  ['a list shorter than it says', '40', '00 02 62 65 01 02', '01 03', /a list of 1 rows takes 1 bytes, expected 2/],
  ['more rows than fit any memory', '40', '00 02 62 65 ff ff ff ff ff 7f 02', '01 03', /2 bytes cannot list 4398046511103 rows/],
  ['a list beyond the end', '40', '00 02 62 65 02 03', '01 03', /ends at byte \d+ of \d+/],
  ['a row beyond the rows', '40', '00 02 62 65 02 02', '01 05', /a list ends at row 3 of 3/],
])('%s is damage', (_, total, dictionary, list, message) => {
  const head = '01 01 00 00 03 00 00 00 02 00 00 00 01 00 00 00'
  const sizes = `${bytesOf(dictionary).length.toString(16)} 00 00 00 ${bytesOf(list).length} 00 00 00`
  const number = total === 'ff' ? '00 00 00 00 00 00 f8 7f' : '00 00 00 00 00 00 00 40'
  const bytes = bytesOf(`${head} ${number} ${sizes} 00 00 00 00 00 00 00 00 02 00 02 ${dictionary} ${list}`)
  expect(() => StoredPostings.open(bytes, 'segments/7').find('be')).toThrow(message)
  expect(() => StoredPostings.open(bytes, 'segments/7').find('be')).toThrow(/^segments\/7: text index is damaged: /)
})

test('a row with the field and no term counts as a document, also after a merge', () => {
  const postings = new MemoryPostings()
  postings.add(1, [])
  const stored = StoredPostings.open(postings.toBytes((row) => row, 3))
  const again = StoredPostings.open(encodePostings([{ postings: stored, rowMap: (row) => row - 1 }], 1))
  expect([stored.documentCount, again.documentCount, again.rowCount, again.termTotal]).toEqual([1, 1, 1, 0])
})

test('what makes no sense is refused by name', () => {
  const postings = new MemoryPostings()
  postings.add(3, ['a'])
  postings.add(4, ['a'])
  expect(() => postings.add(4, ['b'])).toThrow(/row 4.*after row 4/)
  expect(() => postings.toBytes(() => 0, 1)).toThrow(/two rows go to row 0/)
  expect(() => postings.toBytes((row) => row, 4)).toThrow(/row 4 goes to 4, expected 0 to 3/)
  const encoder = new PostingsEncoder(Uint32Array.of(2))
  encoder.add('b', Uint32Array.of(0), Uint32Array.of(1))
  expect(() => encoder.add('a', Uint32Array.of(0), Uint32Array.of(1))).toThrow(/"a" must come after "b"/)
})

test('a newer version and damage are told apart, and the object is named', () => {
  const bytes = new MemoryPostings().toBytes()
  bytes[0] = 2
  expect(() => StoredPostings.open(bytes, 'segments/7')).toThrow(/segments\/7: text index has version 2.*upgrade/)
  bytes[0] = 1
  expect(() => StoredPostings.open(bytes.subarray(1), 'segments/7')).toThrow(/segments\/7: text index is damaged: it has 31 bytes, expected at least 32/)
})

test('terms are in the order of UTF-8 bytes, which is not that of UTF-16 units', () => {
  const postings = new MemoryPostings()
  postings.add(0, ['\u{1F600}', '\uffee', 'z'])
  expect(postings.terms()).toEqual(['z', '\uffee', '\u{1F600}'])
  expect([...StoredPostings.open(postings.toBytes()).terms()]).toEqual(['z', '\uffee', '\u{1F600}'])
})
