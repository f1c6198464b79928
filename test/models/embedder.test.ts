// The real all-MiniLM-L6-v2 through hub, bucket and disk, in transformers.js. Weights come from WINDLASS_SHARED, transformers.js is an
// optional peer: where either is not there, these are skipped by name.
import { createReadStream, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openModel } from '../../src/embed/open-model.ts'
import type { SentenceTransformer } from '../../src/embed/sentence-transformer.ts'
import { embeddingFiles } from '../../src/models/embedding-files.ts'
import type { ModelStoreSettings } from '../../src/models/open-model-store.ts'
import { ModelWorld } from './testing.ts'

const shared = process.env.WINDLASS_SHARED ?? join(import.meta.dirname, '../../../shared')
const folder = join(shared, 'models/all-MiniLM-L6-v2')
const hasPeer = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@huggingface/transformers'))
  } catch {
    return false
  }
})()
const reason = existsSync(folder) ? (hasPeer ? '' : ' (skipped: @huggingface/transformers is not installed)') : ' (skipped: WINDLASS_SHARED has no models)'
const dimension = 384

let world: ModelWorld
const opened: SentenceTransformer[] = []
beforeAll(async () => {
  world = await ModelWorld.start()
  if (!existsSync(folder)) return
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.(json|txt|onnx)$/.test(path))
  world.hub.publish('sentence-transformers/all-MiniLM-L6-v2', { files: Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path))])) })
})
afterAll(async () => {
  for (const model of opened) await model.close()
  await world.end()
})

async function openAt(disk: string | null, { settings = {}, ...rest }: { settings?: Partial<ModelStoreSettings>; weights?: 'fp32' | 'fp16' | 'q8'; dimension?: number; name?: string } = {}) {
  const store = await world.open(disk, settings)
  const model = (await openModel({ name: 'all-MiniLM-L6-v2', ...rest }, { files: embeddingFiles(async () => store) })) as SentenceTransformer
  opened.push(model)
  return model
}

function halfToFloat(half: number): number {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023]
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return half & 0x8000 ? -size : size
}

/** The first texts of the shared data, with the vectors that the float32 model gave them, cut at 64 tokens. */
async function sharedTexts(count: number): Promise<{ text: string; vector: Float32Array }[]> {
  const halves = readFileSync(join(shared, 'data/base.f16')).subarray(0, count * dimension * 2)
  const rows: { text: string; vector: Float32Array }[] = []
  const lines = createInterface({ input: createReadStream(join(shared, 'data/texts.jsonl.gz')).pipe(createGunzip()) })
  for await (const line of lines) {
    const at = rows.length * dimension * 2
    rows.push({ text: (JSON.parse(line) as { text: string }).text, vector: Float32Array.from({ length: dimension }, (_, d) => halfToFloat(halves.readUInt16LE(at + d * 2))) })
    if (rows.length === count) break
  }
  lines.close()
  return rows
}

const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, d) => sum + value * b[d]!, 0) / Math.hypot(...a) / Math.hypot(...b)

describe.skipIf(reason !== '')(`all-MiniLM-L6-v2${reason}`, () => {
  test('vectors are those of the reference: cosine at least 0.9999 in half precision, texts of all lengths in one call', async () => {
    const model = await openAt('a')
    expect([model.name, model.dimension, model.tokensMax]).toEqual(['all-MiniLM-L6-v2', dimension, 256])
    const rows = (await sharedTexts(400)).filter(({ text }) => model.countTokens(text) <= 64)
    expect(rows.length).toBeGreaterThan(100)
    const vectors = await model.embed(rows.map(({ text }) => text))
    const cosines = vectors.map((vector, i) => cosine(vector, rows[i]!.vector))
    expect(Math.min(...cosines)).toBeGreaterThanOrEqual(0.9999)
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    expect(await model.embed([])).toEqual([])
  })

  test('a second cold start asks the hub nothing, and needs no disk', async () => {
    const asked = world.hub.journal.length
    expect(asked).toBeGreaterThan(0)
    writeFileSync(join(world.folder, 'full'), '')
    const [first] = await (await openAt('a')).embed(['the quick brown fox'])
    const [second] = await (await openAt('b', { settings: { hub: null } })).embed(['the quick brown fox'])
    const [third] = await (await openAt('full', { settings: { hub: null } })).embed(['the quick brown fox'])
    expect(second).toEqual(first)
    expect(third).toEqual(first)
    expect(world.hub.journal.length).toBe(asked)
  })

  test('8-bit weights are close, and have a name of their own', async () => {
    const model = await openAt('a', { weights: 'q8' })
    expect(model.name).toBe('all-MiniLM-L6-v2:q8')
    const rows = (await sharedTexts(60)).filter(({ text }) => model.countTokens(text) <= 64)
    const vectors = await model.embed(rows.map(({ text }) => text))
    expect(vectors.map((vector, i) => cosine(vector, rows[i]!.vector)).reduce((a, b) => a + b) / rows.length).toBeGreaterThan(0.99)
  })

  test('a long text is cut at the limit of the model, and counted whole', async () => {
    const model = await openAt('a')
    const long = 'alpha beta gamma '.repeat(400)
    expect(model.countTokens(long)).toBeGreaterThan(1000)
    const [whole, longer] = await model.embed([long, `${long}and then something else entirely`])
    expect(cosine(whole!, longer!)).toBeGreaterThan(0.999999)
  })

  test('what does not fit is refused by name', async () => {
    await expect(openAt('a', { dimension: 512 })).rejects.toThrow(/VECTOR_DIMENSION is 512, model all-MiniLM-L6-v2 has 384/)
    await expect(openAt('a', { weights: 'fp32' })).rejects.toThrow(/has no fp32 weights in ONNX/)
    await expect(openAt('a', { name: 'o/none' })).rejects.toMatchObject({ kind: 'not-found' })
    world.hub.publish('o/broken', { files: { 'config.json': Buffer.from('{"model_type":"bert","hidden_size":4}'), 'tokenizer.json': readFileSync(join(folder, 'tokenizer.json')), 'tokenizer_config.json': readFileSync(join(folder, 'tokenizer_config.json')), 'onnx/model.onnx': Buffer.from('no model') } })
    await expect(openAt('a', { name: 'o/broken' })).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/model o\/broken cannot be run/) })
  })

  test('a call that is cancelled ends between batches', async () => {
    const model = await openAt('a')
    const controller = new AbortController()
    const embedding = model.embed(Array.from({ length: 500 }, (_, i) => `text ${i}`), { signal: controller.signal })
    controller.abort()
    await expect(embedding).rejects.toMatchObject({ kind: 'cancelled' })
    expect(await model.embed(['still there'])).toHaveLength(1)
  })
})

test.skipIf(hasPeer)('without transformers.js the one command that installs it is named', async () => {
  await expect(openAt('a')).rejects.toMatchObject({ kind: 'missing-dependency', message: expect.stringMatching(/npm install "@huggingface\/transformers@/) })
})
