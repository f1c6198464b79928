import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import type { ModelEvent } from '../../src/models/context.ts'
import type { ModelStore } from '../../src/models/model-store.ts'
import { openModelStore, type ModelStoreSettings } from '../../src/models/open-model-store.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { openStore, type StoreSettings } from '../../src/store/open-store.ts'
import { HubDouble } from '../doubles/hub/double.ts'

/** Of the S3 server that the environment names, for a library call; nothing where the bucket is a directory. */
export const s3Store: StoreSettings = process.env.WINDLASS_TEST_S3_BUCKET ? { endpoint: process.env.WINDLASS_TEST_S3_ENDPOINT!, accessKeyId: process.env.WINDLASS_TEST_S3_ACCESS_KEY!, secretAccessKey: process.env.WINDLASS_TEST_S3_SECRET_KEY!, region: 'us-east-1', forcePathStyle: true } : {}

/** The same as settings of a server. */
export const s3Settings = process.env.WINDLASS_TEST_S3_BUCKET ? { endpoint: s3Store.endpoint!, 'access-key-id': s3Store.accessKeyId!, 'secret-access-key': s3Store.secretAccessKey!, region: 'us-east-1' } : {}

/** A hub, a bucket in a directory and any number of disks, gone at the end of the test. */
export class ModelWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'windlass-models-'))
  readonly hub: HubDouble
  /** A directory, or a prefix of its own on the S3 server that WINDLASS_TEST_S3_BUCKET names. */
  readonly bucketUrl: string
  readonly #stores: ModelStore[] = []
  #store: Promise<ObjectStore> | null = null

  private constructor(hub: HubDouble) {
    this.hub = hub
    const server = process.env.WINDLASS_TEST_S3_BUCKET
    this.bucketUrl = server ? `${server}/${basename(this.folder)}` : `file:${join(this.folder, 'bucket')}`
  }

  static async start(): Promise<ModelWorld> {
    return new ModelWorld(await HubDouble.start())
  }

  /** Keys in the bucket below `models/`, and a prefix. */
  async keys(prefix = ''): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of (await this.#objects()).list(`models/${prefix}`)) keys.push(key.slice('models/'.length))
    return keys
  }

  /** Changes what a blob in the bucket is. */
  async changeBlob(bytes: Uint8Array, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
    const key = `models/blobs/${createHash('sha256').update(bytes).digest('hex')}`
    const objects = await this.#objects()
    if (!(await objects.head(key))) throw new Error(`${key} is not there`)
    await objects.put(key, change(bytes.slice()))
  }

  #objects(): Promise<ObjectStore> {
    return (this.#store ??= openStore(this.bucketUrl, s3Store))
  }

  settings(disk: string | null, changes: Partial<ModelStoreSettings> = {}): ModelStoreSettings {
    return { bucket: this.bucketUrl, store: s3Store, folder: disk === null ? null : join(this.folder, disk), hub: { endpoint: this.hub.url }, ...changes }
  }

  /** A store with a disk of its own: another machine, if the name is new. */
  async open(disk: string | null, changes: Partial<ModelStoreSettings> = {}, options: { clock?: Clock; onEvent?: (event: ModelEvent) => void; wrap?: (store: ObjectStore) => ObjectStore } = {}): Promise<ModelStore> {
    const store = await openModelStore(this.settings(disk, changes), options)
    this.#stores.push(store)
    return store
  }

  async end(): Promise<void> {
    for (const store of this.#stores) await store.close()
    await (await this.#store)?.close?.()
    await this.hub.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Bytes that compress badly and are the same in every run. */
export function testBytes(count: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: count }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16)
}

/** A clock whose sleeps take no time, and are remembered. */
export function quickClock(): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = []
  return {
    ...systemClock,
    sleeps,
    // A stall guard, a heartbeat: what is ended before its time is not slept.
    sleep: (ms, signal) => (ms >= 2000 && ms % 2000 === 0 && signal ? systemClock.sleep(ms, signal) : (sleeps.push(ms), systemClock.sleep(0, signal))),
  }
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk.slice())
  return Buffer.concat(parts)
}
