// What an older application left in our place is neither choked on nor touched: its files, its vectors as JSON, its models, its state.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toUtf8 } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'
import { listModels, pruneModels, verifyModels } from '../../src/models/manage-models.ts'
import { openModelStore } from '../../src/models/open-model-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { examine, textOf } from '../doctor/testing.ts'

/** As the documents' applications lay them out, below names that we use as well. */
const foreign: Readonly<Record<string, string>> = {
  'files/report.md': '# Report of an older application',
  'files/deep/er/übersicht.pdf': '%PDF-1.4 not really',
  'vectors/report.json': '{"id": "report", "embedding": [0.1, 0.2], "metadata": {}}',
  'vectors/broken.json': '{"id": ',
  'models/pyannote/segmentation/pytorch_model.bin': 'weights',
  'models/speechbrain/config.yaml': 'a: 1',
  'models/blobs/README': 'not a sum',
  'models/blobs/segmentation/weights.bin': 'weights',
  'models/manifests/notes.txt': 'not a manifest',
  'models/manifests/some--model/notes.txt': 'not a manifest either',
  'models/refs/main': 'not a reference',
  'models/claims/mine': 'not a claim',
  '.deepgram/vectorstore_metadata.json': '{"files": {}}',
  'vector_db/chroma.sqlite3': 'SQLite format 3',
  'catalogue.csv': 'a,b',
  'data/readme.txt': 'somebody keeps things below data',
  'data/2024/january.parquet': 'PAR1',
  'snapshots/x': 'y',
}

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'windlass-foreign-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const sumOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function writeForeign(url: string): Promise<() => Promise<void>> {
  const store = await openStore(url)
  const before = new Map<string, string>()
  for (const [key, text] of Object.entries(foreign)) {
    await store.put(key, toUtf8(text))
    before.set(key, sumOf(toUtf8(text)))
  }
  return async () => {
    for (const [key, sum] of before) {
      const found = await store.get(key)
      expect(found.kind === 'found' && sumOf(found.bytes), key).toBe(sum)
    }
  }
}

test('index, search, snapshot, restore, drop, sweep, verify and repair leave them as they are', async () => {
  const url = `file:${join(folder, 'bucket')}`
  const expectUntouched = await writeForeign(url)
  const bucket = await open(url)
  try {
    const docs = await bucket.getOrCreateCollection('docs')
    const put = (source: string, text: string) => docs.index({ source, open: async function* () { yield toUtf8(text) } })
    await put('anchor.md', '# Anchor\n\nThe windlass hauls the anchor.')
    await docs.createSnapshot('before')
    await put('anchor.md', '# Anchor\n\nThe capstan hauls the chain.')
    expect((await docs.search('what hauls the chain'))[0]?.source).toBe('anchor.md')
    await bucket.restoreCollection('docs', 'before')
    expect((await bucket.verify('docs')).problems).toEqual([])
    expect((await bucket.repair('docs')).problems).toEqual([])
    await (await bucket.collection('docs')).sweep()
    await bucket.getOrCreateCollection('other')
    await bucket.dropCollection('other')
    expect((await bucket.listCollections()).collections.map(({ name }) => name)).toEqual(['docs'])
    expect((await bucket.health()).checks.filter(({ ok }) => !ok)).toEqual([])
  } finally {
    await bucket.close()
  }
  await expectUntouched()
})

test('the model store lists, verifies and prunes past them, and the doctor is content', async () => {
  const url = `file:${join(folder, 'bucket')}`
  const expectUntouched = await writeForeign(url)
  // Two days later: what is ours and unused would go by now.
  const clock = { ...systemClock, now: () => systemClock.now() + 2 * 24 * 60 * 60 * 1000 }
  const store = await openModelStore({ bucket: url, folder: join(folder, 'disk'), hub: null }, { clock })
  try {
    expect(await listModels(store)).toEqual([])
    expect((await verifyModels(store, {})).damage).toEqual([])
    expect(await pruneModels(store, {})).toMatchObject({ bucketFiles: 0 })
  } finally {
    await store.close()
  }
  const environment = { WINDLASS_BUCKET: url, WINDLASS_MODEL_CACHE: join(folder, 'disk') }
  for (const check of ['bucket', 'permissions', 'conditional-writes', 'models']) expect(textOf(await examine(check, { environment })), check).toMatch(/^(ok[^\n]*\n?)+$/)
  await expectUntouched()
})
