import { isWindlassError } from '../base/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import type { Bucket } from '../library/types.ts'
import { indexOf } from '../api/s3vectors/names.ts'

/** Names of an S3 Vectors application: its index is the default collection, and is made when it is missing, so that its `.env` is enough. */
export async function ensureDefaultCollection(bucket: Bucket, configuration: Configuration): Promise<void> {
  const name = configuration.collection()
  const index = indexOf(name)
  if (!configuration.hasVectorIndex() || !index) return
  await ignoringConflict(() => bucket.namespaces.create(`s3vectors/${index.bucket}`, {}))
  await bucket.getOrCreateCollection(name, { dimension: configuration.number('dimension') ?? defaultDimension })
}

// That of the built-in model.
const defaultDimension = 384

async function ignoringConflict(task: () => Promise<unknown>): Promise<void> {
  try {
    await task()
  } catch (error) {
    if (!isWindlassError(error, 'conflict')) throw error
  }
}
