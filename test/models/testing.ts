import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import type { ModelEvent } from '../../src/models/context.ts'
import type { ModelStore } from '../../src/models/model-store.ts'
import { openModelStore, type ModelStoreSettings } from '../../src/models/open-model-store.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { HubDouble } from '../doubles/hub/double.ts'

/** A hub, a bucket in a directory and any number of disks, gone at the end of the test. */
export class ModelWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'windlass-models-'))
  readonly hub: HubDouble
  readonly #stores: ModelStore[] = []

  private constructor(hub: HubDouble) {
    this.hub = hub
  }

  static async start(): Promise<ModelWorld> {
    return new ModelWorld(await HubDouble.start())
  }

  get bucketFolder(): string {
    return join(this.folder, 'bucket')
  }

  settings(disk: string | null, changes: Partial<ModelStoreSettings> = {}): ModelStoreSettings {
    return { bucket: `file:${this.bucketFolder}`, folder: disk === null ? null : join(this.folder, disk), hub: { endpoint: this.hub.url }, ...changes }
  }

  /** A store with a disk of its own: another machine, if the name is new. */
  async open(disk: string | null, changes: Partial<ModelStoreSettings> = {}, options: { clock?: Clock; onEvent?: (event: ModelEvent) => void; wrap?: (store: ObjectStore) => ObjectStore } = {}): Promise<ModelStore> {
    const store = await openModelStore(this.settings(disk, changes), options)
    this.#stores.push(store)
    return store
  }

  async end(): Promise<void> {
    for (const store of this.#stores) await store.close()
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
