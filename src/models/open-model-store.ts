import { userInfo, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../base/clock.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { openStore, type StoreSettings } from '../store/open-store.ts'
import { PrefixStore } from '../store/prefix-store.ts'
import { ModelJournal, type ModelEvent } from './context.ts'
import { HubClient } from './hub-client.ts'
import { ModelBucket } from './model-bucket.ts'
import { ModelDisk } from './model-disk.ts'
import { ModelStore } from './model-store.ts'

/** Where models are kept, and where they come from. Plain values; everything has a default. */
export interface ModelStoreSettings {
  /** Bucket URL, `s3://bucket/prefix`: models lie below `models/` of it. Null: no bucket. */
  readonly bucket: string | null
  readonly store?: StoreSettings
  /** Folder on the local disk; default: one of this user's among temporary files. Null: no disk, models are streamed. */
  readonly folder?: string | null
  /** Bytes that model files may take on the local disk. */
  readonly budgetBytes?: number
  /** False: files leave the disk when nobody uses them. */
  readonly keepLocal?: boolean
  /** Null: the hub is never asked. */
  readonly hub?: { readonly endpoint?: string; readonly token?: string } | null
}

export const defaultHub = 'https://huggingface.co'
const defaultBudgetBytes = 10 * 1024 ** 3

/** The folder for models where none is given; nobody else of this machine can prepare it. */
export function defaultModelFolder(parent: string = tmpdir()): string {
  return join(parent, `windlass-models-${userInfo().uid}`)
}

/** Opens a model store. Contacts nobody yet. @throws {WindlassError} `invalid` for URLs of no known kind. */
export async function openModelStore(
  { bucket, store, folder = defaultModelFolder(), budgetBytes = defaultBudgetBytes, keepLocal = true, hub = {} }: ModelStoreSettings,
  { clock = systemClock, random = systemRandom, onEvent = () => undefined, wrap }: { clock?: Clock; random?: Random; onEvent?: (event: ModelEvent) => void; wrap?: (store: ObjectStore) => ObjectStore } = {},
): Promise<ModelStore> {
  const objects = bucket === null ? null : await openStore(bucket, { ...store, clock, random, ...(wrap && { wrap }) })
  const closing = new AbortController()
  const tiers = {
    disk: folder === null ? null : new ModelDisk({ folder, budgetBytes }, { clock, random }),
    bucket: objects && new ModelBucket(new PrefixStore(objects, 'models/')),
    hub: hub === null ? null : new HubClient({ endpoint: hub.endpoint ?? defaultHub, ...(hub.token !== undefined && { token: hub.token }) }, { clock, random }),
    clock,
    random,
    journal: new ModelJournal(onEvent),
    closing: closing.signal,
  }
  return new ModelStore(tiers, { keepLocal, closing })
}
