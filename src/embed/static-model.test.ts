import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { loadStaticModel, readStaticModel } from './load-static-model.ts'
import { decodeStaticModel } from './static-model.ts'

/** A file of two dimensions: [UNK] (nothing), up (0, 1), right (3, 0). */
function encodeModel(change: Record<string, unknown> = {}): Uint8Array {
  const vocabulary = new TextEncoder().encode('[UNK]\nup\nright')
  const facts = { name: 'tiny', dimension: 2, vocabularySize: 3, vocabularyBytes: vocabulary.length, ...change }
  const header = new TextEncoder().encode(JSON.stringify(facts))
  const headerSize = Math.ceil(header.length / 4) * 4
  const bytes = new Uint8Array(16 + headerSize + 12 + 6 + vocabulary.length)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode('WLSTATIC'))
  view.setUint32(8, 1, true)
  view.setUint32(12, headerSize, true)
  bytes.fill(0x20, 16, 16 + headerSize).set(header, 16)
  const scales = 16 + headerSize
  for (const [i, scale] of [0, 0.5, 3].entries()) view.setFloat32(scales + 4 * i, scale, true)
  bytes.set(new Uint8Array(Int8Array.from([9, 9, 0, 2, 1, 0]).buffer), scales + 12)
  bytes.set(vocabulary, scales + 18)
  return bytes
}

const kindOf = (work: () => unknown) => {
  try {
    work()
    return 'none'
  } catch (error) {
    return isWindlassError(error) ? error.kind : error
  }
}

describe('a model of two dimensions', () => {
  const model = decodeStaticModel(encodeModel())

  test('a text is the sum of its tokens, at length 1', async () => {
    const [both, up] = await model.embed(['Up, right', 'up up'])
    expect([...both!].map((x) => x.toFixed(4))).toEqual(
      (['3', '1'] as const).map((x) => (Number(x) / Math.sqrt(10)).toFixed(4)),
    )
    expect([...up!]).toEqual([0, 1])
  })

  test('a repeated token counts by the square root', async () => {
    const [vector] = await model.embed(['up up up up right'])
    expect(vector![0]! / vector![1]!).toBeCloseTo(3 / 2, 5)
  })

  test('a text without a known token is all zeros', async () => {
    expect(await model.embed(['', 'nothing', ' '])).toEqual([
      new Float32Array(2),
      new Float32Array(2),
      new Float32Array(2),
    ])
  })

  test('unknown words do not turn a vector', async () => {
    const [alone, among] = await model.embed(['up right', 'xyzzy up xyzzy right'])
    expect(among).toEqual(alone)
  })

  test('tokens are counted, unknown ones too', () => expect(model.countTokens('up, up')).toBe(3))

  test('bytes that do not begin on a multiple of 4 decode alike', async () => {
    const file = encodeModel()
    const shifted = new Uint8Array(file.length + 1)
    shifted.set(file, 1)
    expect(await decodeStaticModel(shifted.subarray(1)).embed(['up right'])).toEqual(await model.embed(['up right']))
  })

  test('an aborted signal cancels', async () => {
    const error = await model.embed(['up'], { signal: AbortSignal.abort() }).catch((error: unknown) => error)
    expect(isWindlassError(error, 'cancelled')).toBe(true)
  })
})

describe('damage', () => {
  test('a file cut anywhere is corrupt', () => {
    const bytes = encodeModel()
    for (let size = 0; size < bytes.length; size++)
      expect(kindOf(() => decodeStaticModel(bytes.subarray(0, size)))).toBe('corrupt')
  })

  test('sizes that do not fit the file are corrupt', () => {
    for (const change of [
      { dimension: 3 },
      { dimension: 0 },
      { dimension: '2' },
      { name: 7 },
      { vocabularyBytes: -1 },
    ]) {
      expect(kindOf(() => decodeStaticModel(encodeModel(change)))).toBe('corrupt')
    }
  })

  test('a newer format is unsupported', () => {
    const bytes = encodeModel()
    bytes[8] = 2
    expect(kindOf(() => decodeStaticModel(bytes))).toBe('unsupported')
  })
})

describe('the model that ships', () => {
  const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, d) => sum + x * b[d]!, 0)

  test('has 384 dimensions and vectors of length 1', async () => {
    const model = await loadStaticModel()
    const [vector] = await model.embed(['a tool that draws maps'])
    expect(model.dimension).toBe(384)
    expect(vector).toHaveLength(384)
    expect(cosine(vector!, vector!)).toBeCloseTo(1, 5)
  })

  test('finds the passage that says the same in other words', async () => {
    const model = await loadStaticModel()
    const pairs = [
      ['image viewer', 'Program to look at photographs and pictures'],
      ['IMAP mailbox daemon', 'Server that stores electronic mail'],
      ['solve linear equations', 'Numerical algebra routines for matrices'],
      ['play a board game', 'Chess against the computer'],
      ['encrypt a file with a password', 'Protects documents by secret keys and ciphers'],
      ['how to treat a disease', 'Physicians cure an illness with medicine'],
    ] as const
    const passages = await model.embed(pairs.map(([, passage]) => passage))
    const questions = await model.embed(
      pairs.map(([question]) => question),
      { kind: 'query' },
    )
    const scores = questions.map((question) => passages.map((passage) => cosine(question, passage)))
    expect(scores.map((row) => row.indexOf(Math.max(...row)))).toEqual(pairs.map((_, i) => i))
  })

  test('is refused when its bytes are not those of model.json', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'windlass-model-'))
    try {
      expect(isWindlassError(await readStaticModel(folder).catch((error: unknown) => error), 'not-found')).toBe(true)
      await writeFile(join(folder, 'model.bin'), encodeModel())
      await writeFile(
        join(folder, 'model.json'),
        await readFile(join(import.meta.dirname, '../../models/static-384/model.json')),
      )
      expect(isWindlassError(await readStaticModel(folder).catch((error: unknown) => error), 'corrupt')).toBe(true)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
