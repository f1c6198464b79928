import { createHash } from 'node:crypto'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { toUtf8 } from '../../src/base/bytes.ts'
import type { EmbeddingModel } from '../../src/embed/embedding-model.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { usualFields } from '../../src/migrate/fields.ts'
import { LegacySource } from '../../src/migrate/legacy-source.ts'
import type { MigrateOptions, MigrateParts } from '../../src/migrate/migrate.ts'
import type { RecordTarget } from '../../src/migrate/target.ts'
import { CollectionTarget } from '../../src/migrate/targets/collection-target.ts'

export const options: MigrateOptions = { vectors: 'auto', parallel: 4, verify: true }

/** A vector that is told from all others by its number. */
export function vectorOf(i: number, dimension = 8): number[] {
  const random = seededRandom(i + 1)
  return Array.from({ length: dimension }, () => Math.fround(random.next() - 0.5))
}

/** An old bucket in memory with `count` vectors, one an object. */
export async function oldBucket(count: number, more: Readonly<Record<string, unknown>> = {}): Promise<MemoryStore> {
  const store = new MemoryStore({ url: 's3://old' })
  for (let i = 0; i < count; i++) await put(store, `vectors/${String(i).padStart(5, '0')}.json`, { id: `r${i}`, embedding: vectorOf(i), metadata: { n: i }, text: `text ${i}` })
  for (const [key, value] of Object.entries(more)) await put(store, key, value)
  return store
}

export async function put(store: ObjectStore, key: string, value: unknown): Promise<void> {
  await store.put(key, typeof value === 'string' ? toUtf8(value) : toUtf8(JSON.stringify(value)))
}

/** A sum over every object of a bucket: it changes with any byte of any of them. */
export async function sumOf(store: ObjectStore): Promise<string> {
  const hash = createHash('sha256')
  for await (const { key } of store.list('')) {
    const answer = await store.get(key)
    if (answer.kind === 'found') hash.update(`${key}\n${answer.etag}\n${answer.lastModified}\n`).update(answer.bytes)
  }
  return hash.digest('hex')
}

/** Parts of a migration in memory. `bucketUrl` is the destination's, `memory:name`. */
export async function partsIn(old: ObjectStore, bucketUrl: string, { wrap = (target) => target, notes, model }: { wrap?: (target: RecordTarget) => RecordTarget; notes?: ObjectStore; model?: EmbeddingModel } = {}): Promise<{ parts: MigrateParts; bucket: Bucket }> {
  const bucket = await open(bucketUrl, model ? { embeddingModel: model } : {})
  const parts: MigrateParts = {
    old,
    source: new LegacySource(old, { fields: usualFields, vectorsPrefix: 'vectors/', metric: 'cosine' }),
    vectorsPrefix: 'vectors/',
    filesPrefix: 'files/',
    metric: 'cosine',
    target: wrap(new CollectionTarget(bucket, 'docs')),
    destination: 'bucket',
    documents: () => bucket.getOrCreateCollection('docs'),
    notes: notes ?? (await openStore(bucketUrl)),
    configured: { name: model?.name ?? 'none', load: () => (model ? Promise.resolve(model) : Promise.reject(new Error('no model'))) },
    clock: systemClock,
    random: seededRandom(7),
  }
  return { parts, bucket }
}

/** Every record of a collection, by key. */
export async function recordsOf(bucket: Bucket, name = 'docs'): Promise<Map<string, { vector: number[]; metadata: unknown; document: unknown }>> {
  const found = new Map<string, { vector: number[]; metadata: unknown; document: unknown }>()
  const collection = await bucket.collection(name)
  for (let after: string | undefined; ; ) {
    const { rows, next } = await collection.list({ limit: 1000, include: { vector: true, metadata: true, document: true }, ...(after !== undefined && { after }) })
    for (const { key, vector, metadata, document } of rows) found.set(key, { vector: [...(vector ?? [])], metadata, document })
    if (next === undefined) return found
    after = next
  }
}
