import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { claimed } from './claim.ts'
import { ContentCheck } from './content-check.ts'
import { fillBucket } from './direct-read.ts'
import { isOwnFile, type ModelBucket } from './model-bucket.ts'
import type { ModelFile, ModelManifest } from './model-manifest.ts'
import type { ModelStore } from './model-store.ts'
import type { ModelName } from './repository.ts'

/** One model in the bucket. */
export interface ModelListing {
  readonly repository: string
  readonly commit: string
  /** Branches and tags that mean this commit. */
  readonly revisions: readonly string[]
  readonly origin: string
  readonly filesTotal: number
  readonly filesInBucket: number
  readonly bytesTotal: number
  readonly bytesInBucket: number
  readonly bytesOnDisk: number
  /** Milliseconds since 1970; null where none of it is on this disk. */
  readonly usedAtMs: number | null
}

/** Every model in the bucket, and how much of it is on this disk. */
export async function listModels(store: ModelStore): Promise<ModelListing[]> {
  const bucket = bucketOf(store)
  const disk = new Map((await store.tiers.disk?.measure())?.blobs.map((blob) => [blob.sha256, blob]))
  const listings: ModelListing[] = []
  for await (const { repository, commit, origin, files } of bucket.manifests()) {
    const revisions: string[] = []
    for await (const reference of bucket.references(repository)) if (reference.commit === commit) revisions.push(reference.revision)
    const here = files.flatMap(({ sha256 }) => (sha256 === null ? [] : (disk.get(sha256) ?? [])))
    const stored = files.filter(({ isStored }) => isStored)
    listings.push({
      repository,
      commit,
      revisions,
      origin,
      filesTotal: files.length,
      filesInBucket: stored.length,
      bytesTotal: bytesOf(files),
      bytesInBucket: bytesOf(stored),
      bytesOnDisk: bytesOf(here),
      usedAtMs: here.length === 0 ? null : Math.max(...here.map(({ usedAtMs }) => usedAtMs)),
    })
  }
  return listings
}

/** Puts a folder into the bucket as a model: for weights of your own, and where the hub is out of reach. Files whose names begin with a dot stay out. */
export async function pushFolder(store: ModelStore, folder: string, { repository, revision }: ModelName, onFile: (path: string, bytes: number) => void = () => undefined): Promise<ModelManifest> {
  const bucket = bucketOf(store)
  const names = (await readdir(folder, { recursive: true })).map((name) => name.split(sep).join('/')).filter((name) => !/(^|\/)\./.test(name))
  const files: ModelFile[] = []
  for (const path of names.sort()) {
    const facts = await stat(join(folder, path))
    if (facts.isFile()) files.push(await describeFile(folder, path, facts.size))
  }
  if (files.length === 0) throw new WindlassError('invalid', `${folder} has no files to push`, { path: 'folder' })
  const sum = createHash('sha256')
  for (const { path, sha256 } of files) sum.update(`${sha256} ${path}\n`)
  const manifest: ModelManifest = await bucket.addManifest({ formatVersion: 1, repository, commit: sum.digest('hex').slice(0, 40), origin: 'push', files })
  for (const file of files) {
    await claimed(claimOf(file), { ...store.tiers, store: bucket.store, signal: store.tiers.closing }, async () => null, async () => {
      await bucket.write(file.sha256!, file.sizeBytes, createReadStream(join(folder, file.path)))
      await bucket.updateFiles(manifest, new Map([[file.oid, { isStored: true, sha256: file.sha256, parts: file.parts }]]))
      return true
    })
    onFile(file.path, file.sizeBytes)
  }
  await bucket.putReference(repository, revision, manifest.commit)
  store.manifests.forget(repository)
  return store.resolve({ repository, revision })
}

/** A file that is not what it should be, and what was done about it. */
export interface ModelDamage {
  readonly repository: string
  readonly path: string
  readonly tier: 'bucket' | 'disk'
  readonly message: string
  readonly isRepaired: boolean
}

/** Reads and checks every stored file of the models, and every file on this disk. @param repair Fetches from the hub what is damaged in the bucket. */
export async function verifyModels(store: ModelStore, { repository, repair = false }: { repository?: string; repair?: boolean } = {}): Promise<{ filesChecked: number; bytesChecked: number; damage: ModelDamage[] }> {
  const bucket = bucketOf(store)
  const { disk, hub } = store.tiers
  const damage: ModelDamage[] = []
  const checked = new Map<string, number>()
  const onDisk = new Set((await disk?.measure())?.blobs.map(({ sha256 }) => sha256))
  for await (const manifest of bucket.manifests(repository)) {
    for (const file of manifest.files) {
      if (!file.isStored || checked.has(file.sha256!)) continue
      checked.set(file.sha256!, file.sizeBytes)
      const about = { repository: manifest.repository, path: file.path }
      try {
        for await (const part of bucket.read(file)) void part
      } catch (error) {
        if (!isWindlassError(error, 'corrupt')) throw error
        const isRepaired = repair && hub !== null && manifest.origin !== 'push' && (await fillBucket(store.tiers, bucket, manifest, file).then(() => true, () => false))
        damage.push({ ...about, tier: 'bucket', message: messageOf(error), isRepaired })
      }
      // Looking for a damaged one removes it: it comes anew from the bucket.
      if (onDisk.has(file.sha256!) && !(await disk!.find(file.sha256!, file.sizeBytes))) damage.push({ ...about, tier: 'disk', message: `${file.path} is damaged on this disk, and was removed from it`, isRepaired: true })
    }
  }
  return { filesChecked: checked.size, bytesChecked: [...checked.values()].reduce((sum, size) => sum + size, 0), damage }
}

/** Removes a model, all its commits, from the bucket and from this disk. Files that other models have too stay. */
export async function removeModel(store: ModelStore, repository: string): Promise<{ filesRemoved: number; bytesRemoved: number }> {
  const bucket = bucketOf(store)
  const gone = new Map<string, ModelFile>()
  const keys: string[] = []
  for await (const { key } of bucket.references(repository)) keys.push(key)
  for await (const { key, files } of bucket.manifests(repository)) {
    keys.push(key)
    for (const file of files) if (file.sha256 !== null) gone.set(file.sha256, file)
  }
  if (keys.length === 0) throw new WindlassError('not-found', `model ${repository} is not in ${bucket.store.url}`, { path: repository })
  await bucket.store.delete(keys)
  store.manifests.forget(repository)
  let [filesRemoved, bytesRemoved] = [0, 0]
  for (const [sha256, file] of gone) {
    // Under the claim by which others fill it: nobody can come to rely on it between the look and the deletion.
    const isRemoved = await claimed(claimOf(file), { ...store.tiers, store: bucket.store, signal: store.tiers.closing }, async () => ((await isNamed(bucket, sha256)) ? 'named' : null), async () => {
      await bucket.store.delete([`blobs/${sha256}`])
      return 'removed'
    })
    await store.tiers.disk?.remove(sha256)
    if (isRemoved !== 'removed') continue
    filesRemoved++
    bytesRemoved += file.sizeBytes
  }
  return { filesRemoved, bytesRemoved }
}

const unnamedKeptMs = 24 * 60 * 60 * 1000

/** Frees this disk of what nobody uses, and the bucket of files that no model has had for a day, and of old claims. */
export async function pruneModels(store: ModelStore, { isLocalOnly = false }: { isLocalOnly?: boolean } = {}): Promise<{ diskBytes: number; bucketFiles: number; bucketBytes: number }> {
  const diskBytes = (await store.tiers.disk?.prune()) ?? 0
  let [bucketFiles, bucketBytes] = [0, 0]
  if (isLocalOnly) return { diskBytes, bucketFiles, bucketBytes }
  const bucket = bucketOf(store)
  const now = store.tiers.clock.now()
  const old: { key: string; size: number }[] = []
  for (const prefix of ['blobs/', 'claims/']) {
    for await (const { key, size, lastModified } of bucket.store.list(prefix)) if (isOwnFile(key) && lastModified !== undefined && now - lastModified > unnamedKeptMs) old.push({ key, size })
  }
  const named = new Set<string>()
  for await (const { files } of bucket.manifests()) for (const { sha256 } of files) if (sha256 !== null) named.add(`blobs/${sha256}`)
  for (const { key, size } of old) {
    if (named.has(key)) continue
    await bucket.store.delete([key])
    bucketFiles++
    bucketBytes += size
  }
  return { diskBytes, bucketFiles, bucketBytes }
}

async function isNamed(bucket: ModelBucket, sha256: string): Promise<boolean> {
  for await (const { files } of bucket.manifests()) if (files.some((file) => file.sha256 === sha256)) return true
  return false
}

async function describeFile(folder: string, path: string, sizeBytes: number): Promise<ModelFile> {
  const unknown = { path, sizeBytes, oid: '', sha256: null, parts: null, isStored: false }
  const check = new ContentCheck({ ...unknown, oid: `git:${'0'.repeat(40)}` })
  for await (const bytes of createReadStream(join(folder, path))) check.update(bytes as Buffer)
  const { sha256, parts } = check.result()
  return { ...unknown, oid: `sha256:${sha256}`, sha256, parts }
}

function bucketOf(store: ModelStore): ModelBucket {
  const { bucket } = store.tiers
  if (!bucket) throw new WindlassError('invalid', 'this model store has no bucket', { path: 'bucket' })
  return bucket
}

function claimOf(file: ModelFile): string {
  return `claims/${file.oid.replace(':', '-')}`
}

function bytesOf(files: readonly { readonly sizeBytes: number }[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
