import { open } from '../../src/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Bucket } from '../../src/library/types.ts'
import type { Vectorizer } from '../../src/vectorize/vectorizer.ts'
import type { VectorizerInput } from '../../src/vectorize/declaration/declaration.ts'
import { externalId, readerArn, startWorld } from '../doubles/sts/world.ts'

/** A bucket that sends events as S3 does, and a vectorizer of it. */
export interface FollowedBucket {
  readonly world: Awaited<ReturnType<typeof startWorld>>
  readonly index: Bucket
  vectorizer(more?: Partial<VectorizerInput>): Vectorizer
  /** Changes an object below `docs/`, and gives the record of it. */
  put(path: string, text: string): Promise<object>
  remove(path: string, name?: string): Promise<object>
  /** Texts by path: what the bucket has, and what the index has. */
  inBucket(): Promise<Map<string, string>>
  inIndex(): Promise<Map<string, string>>
  close(): Promise<void>
}

export async function followBucket(): Promise<FollowedBucket> {
  const world = await startWorld()
  const index = await open('memory:', { store: { endpoint: world.s3.url, region: 'us-east-1' } })
  let sequence = 0x55aed6
  const record = (path: string, eventName: string) => ({
    eventSource: 'aws:s3',
    eventName,
    // As S3 encodes them, slashes too in some of its parts.
    s3: { bucket: { name: 'theirs' }, object: { key: encodeURIComponent(`docs/${path}`).replaceAll('%20', '+').replaceAll('%2F', '/'), sequencer: (++sequence).toString(16).toUpperCase().padStart(18, '0') } },
  })
  return {
    world,
    index,
    vectorizer: (more = {}) =>
      index.vectorizer(
        { name: 'docs', source: { type: 's3', url: 's3://theirs/docs', role: readerArn, externalId }, destinations: [{ type: 'collection', name: 'docs' }], ...more },
        { environment: world.environment },
      ),
    put: async (path, text) => {
      await world.write(`docs/${path}`, text)
      return record(path, 'ObjectCreated:Put')
    },
    remove: async (path, name = 'ObjectRemoved:Delete') => {
      await world.store.delete([`docs/${path}`])
      return record(path, name)
    },
    inBucket: async () => {
      const found = new Map<string, string>()
      for await (const { key } of world.store.list('docs/')) {
        const answer = await world.store.get(key)
        if (answer.kind === 'found') found.set(key.slice('docs/'.length), new TextDecoder().decode(answer.bytes))
      }
      return new Map([...found].sort())
    },
    inIndex: async () => {
      const found = new Map<string, string>()
      const { rows } = await (await index.getOrCreateCollection('docs', { dimension: 384 })).list({ limit: 1000, include: { metadata: true, document: true } })
      for (const { metadata, document } of rows) found.set(String(metadata!.source), document ?? '')
      return new Map([...found].sort())
    },
    close: async () => {
      await index.close()
      await world.close()
    },
  }
}

/** Until it is so; fails by the test's own limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(10)
}
