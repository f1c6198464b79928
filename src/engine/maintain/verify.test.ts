// Verifying proves the whole: every byte that a collection names, every row, and that the rows are the right ones.
import { describe, expect, test } from 'vitest'
import { encodeDeletes, deletesKey } from '../../format/deletes.ts'
import { decodeManifest, encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { EngineCollection } from '../collection.ts'
import { newDatabase, schema } from '../testing.ts'

const settings = { mergeFanIn: 1000 }
const put = (key: string, n: number) => ({ op: 'put' as const, row: { key, vector: [n, 1, 2], document: `text ${n}`, metadata: { n } } })

async function filled() {
  const store = new MemoryStore()
  const c = await newDatabase(store, { settings }).create('c', schema())
  for (let s = 0; s < 4; s++) {
    await c.write({ operations: [put(`a${s}`, s), put(`b${s}`, s), put(`c${s}`, s), put(`e${s}`, s), { op: 'put', space: 'documents', row: { key: `d${s}` } }] })
    if (s > 0) await c.write({ operations: [put(`a${s - 1}`, s * 10), { op: 'delete', key: `b${s - 1}` }] })
    await c.flush()
  }
  return { store, c }
}

async function readManifest(store: MemoryStore, c: EngineCollection): Promise<Manifest> {
  const answer = await store.get(c.core.prefix + manifestKey)
  if (answer.kind !== 'found') throw new Error('no manifest')
  return decodeManifest(answer.bytes, manifestKey)
}

async function problemsOf(store: MemoryStore) {
  return (await (await newDatabase(store).collection('c')).verify()).problems
}

describe('the sum of the content', () => {
  test('is kept by flushes, is the same for the same rows in other segments, and a merge does not change it', async () => {
    const { store, c } = await filled()
    const before = await readManifest(store, c)
    expect(before.content).toMatchObject({ floor: before.floor })
    expect(await problemsOf(store)).toEqual([])
    await c.merge({ isForced: true })
    const after = await readManifest(store, c)
    expect(after.content).toEqual(before.content)
    expect(await problemsOf(store)).toEqual([])
    for (const key of ['a0', 'c0', 'c1']) {
      await c.write({ operations: [{ op: 'delete', key }] })
      await c.flush()
    }
    expect((await readManifest(store, c)).content!.sum).not.toBe(before.content!.sum)
    expect(await problemsOf(store)).toEqual([])
  })

  test('is made up for a manifest of a version that did not know it', async () => {
    const { store, c } = await filled()
    const { content, ...old } = await readManifest(store, c)
    await store.put(c.core.prefix + manifestKey, encodeManifest({ ...old, version: old.version + 1, nonce: 'a'.repeat(32) }))
    const again = await newDatabase(store, { settings }).collection('c')
    expect((await again.verify()).problems).toEqual([])
    await again.write({ operations: [put('new', 1)] })
    await again.flush()
    expect((await readManifest(store, c)).content).toMatchObject({ floor: old.floor + 1 })
    expect(content!.floor).toBe(old.floor)
    expect(await problemsOf(store)).toEqual([])
  })

  test('is not believed when a version that does not know it has flushed on top', async () => {
    const { store, c } = await filled()
    const manifest = await readManifest(store, c)
    await store.put(c.core.prefix + manifestKey, encodeManifest({ ...manifest, version: manifest.version + 1, nonce: 'a'.repeat(32), content: { floor: manifest.floor - 1, sum: '1'.repeat(64) } }))
    expect(await problemsOf(store)).toEqual([])
    const again = await newDatabase(store, { settings }).collection('c')
    await again.write({ operations: [put('new', 1)] })
    await again.flush()
    expect((await readManifest(store, c)).content).toMatchObject({ floor: manifest.floor + 1 })
    expect(await problemsOf(store)).toEqual([])
  })

  test.each(['a segment is left out', 'a bitmap is left out', 'a segment is there twice'])('finds that %s', async (what) => {
    const { store, c } = await filled()
    const manifest = await readManifest(store, c)
    const [first, ...rest] = manifest.segments
    let segments = [first!, ...rest]
    if (what === 'a segment is left out') segments = rest
    if (what === 'a bitmap is left out') segments = [{ ...first!, deletes: null }, ...rest]
    if (what === 'a segment is there twice') {
      const { rowCount } = first!
      const object = await store.get(c.core.prefix + segmentKey(first!.id))
      if (object.kind === 'found') await store.put(c.core.prefix + segmentKey('copy'), object.bytes)
      await store.put(c.core.prefix + deletesKey('none'), encodeDeletes({ segmentId: 'copy', rowCount, count: 0, bitmap: new Uint8Array(Math.ceil(rowCount / 8)) }))
      segments.push({ ...first!, id: 'copy', deletes: { id: 'none', count: 0, recordCount: 0 } })
    }
    await store.put(c.core.prefix + manifestKey, encodeManifest({ ...manifest, version: manifest.version + 1, nonce: 'b'.repeat(32), segments }))
    expect(await problemsOf(store)).toEqual([{ object: 'manifest', message: expect.stringMatching(/add up to [0-9a-f]{64}, expected [0-9a-f]{64}: rows are lost, doubled or alive again/) }])
  })
})

describe('verify', () => {
  test('names the damaged section or row of a segment, whichever byte is flipped', async () => {
    const { store, c } = await filled()
    const [ref] = (await readManifest(store, c)).segments
    const key = c.core.prefix + segmentKey(ref!.id)
    const object = await store.get(key)
    if (object.kind !== 'found') throw new Error('no segment')
    for (const section of ref!.sections) {
      if (section.size === 0) continue
      const bytes = object.bytes.slice()
      // The last byte: within a value, not in what pads a header.
      bytes[section.offset + section.size - 1]! ^= 16
      await store.put(key, bytes)
      const problems = await problemsOf(store)
      expect(problems.length, section.name).toBeGreaterThan(0)
      for (const { object: where } of problems) expect(where).toMatch(new RegExp(`^segments/${ref!.id}\\.seg`))
    }
    await store.put(key, object.bytes)
    expect(await problemsOf(store)).toEqual([])
  })

  test('finds a row whose parts are each right and not its own', async () => {
    const { store, c } = await filled()
    const manifest = await readManifest(store, c)
    const [first, a, b] = manifest.segments
    const read = async (id: string) => {
      const object = await store.get(c.core.prefix + segmentKey(id))
      if (object.kind !== 'found') throw new Error('no segment')
      return object.bytes
    }
    // Two segments of one layout: the documents of one in the place of the other's, with checksums to match.
    const [from, to] = [await read(b!.id), await read(a!.id)]
    const sections = a!.sections.map((section) => {
      const other = b!.sections.find(({ name }) => name === section.name)!
      if (!section.name.startsWith('documents') || other.size !== section.size) return section
      to.set(from.subarray(other.offset, other.offset + other.size), section.offset)
      return { ...section, checksum: other.checksum }
    })
    expect(sections).not.toEqual(a!.sections)
    await store.put(c.core.prefix + segmentKey(a!.id), to)
    await store.put(c.core.prefix + manifestKey, encodeManifest({ ...manifest, version: manifest.version + 1, nonce: 'c'.repeat(32), segments: [first!, { ...a!, sections }, ...manifest.segments.slice(2)] }))
    const problems = await problemsOf(store)
    expect(problems.map(({ object }) => object)).toContain(`segments/${a!.id}.seg#row 1`)
    expect(problems[0]!.message).toMatch(/is not what was written/)
  })

  test('says which object is missing', async () => {
    const { store, c } = await filled()
    const [first, second] = (await readManifest(store, c)).segments
    await store.delete([c.core.prefix + segmentKey(first!.id), c.core.prefix + deletesKey(second!.deletes!.id)])
    const problems = (await c.verify()).problems
    expect(problems.map(({ object }) => object).sort()).toEqual([deletesKey(second!.deletes!.id), segmentKey(first!.id)])
  })
})
