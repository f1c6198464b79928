import { open, type FileHandle } from 'node:fs/promises'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { claimed } from './claim.ts'
import { ContentCheck, type CheckedContent } from './content-check.ts'
import type { ModelTier, ModelTiers } from './context.ts'
import type { PartialFile } from './model-disk.ts'
import { fileOf, type ModelFile, type ModelManifest } from './model-manifest.ts'

/** A file that lies on the disk, checked. */
export interface LocalFile {
  readonly path: string
  readonly sha256: string
  readonly tier: ModelTier
}

/**
 * One file on its way to the local disk, shared by all in this process that want it: from the disk, the bucket or the hub, in this
 * order. What the bucket lacks or has damaged is put there; across processes and machines, one fetches from the hub and the others wait
 * for the bucket.
 */
export class FileFlight {
  /** Resolves when the file can be used. */
  readonly ready: Promise<LocalFile>
  /** Resolves when the bucket has it too, or will not. */
  readonly done: Promise<void>
  readonly file: ModelFile
  /** Where the bytes are while they come, and how many; a clearing begins a new generation. */
  partial: PartialFile | null = null
  generation = 0
  readonly #tiers: ModelTiers
  readonly #manifest: ModelManifest
  readonly #pin: string | null
  readonly #learn: (change: Partial<ModelFile>) => Promise<void>
  #isReady = false
  #settle!: { resolve(file: LocalFile): void; reject(error: unknown): void }
  #wake!: () => void
  #changed!: Promise<void>

  /**
   * @param pin Where the file is to be linked the moment it comes; one that is on the disk already is its caller's to link.
   * @param learn Told what became known of the file.
   */
  constructor(tiers: ModelTiers, manifest: ModelManifest, file: ModelFile, { pin, learn }: { pin: string | null; learn: (change: Partial<ModelFile>) => Promise<void> }) {
    this.#tiers = tiers
    this.#manifest = manifest
    this.file = file
    this.#pin = pin
    this.#learn = learn
    this.#expectChange()
    this.ready = new Promise<LocalFile>((resolve, reject) => (this.#settle = { resolve, reject }))
    this.ready.catch(() => undefined)
    this.done = this.#run()
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Resolves at the next change: more bytes, begun anew, ready, failed. */
  get changed(): Promise<void> {
    return this.#changed
  }

  async #run(): Promise<void> {
    const { clock, journal } = this.#tiers
    const { repository } = this.#manifest
    const started = clock.monotonic()
    try {
      const { tier, ended } = await this.#fetch((local) => {
        this.#isReady = true
        journal.fetched(repository, this.file.path, local.tier, this.file.sizeBytes, clock.monotonic() - started)
        this.#settle.resolve(local)
        this.#tell()
      })
      if (tier === 'bucket') journal.solved('bucket-read')
      await ended
    } catch (error) {
      // Bytes that came before a cut are worth taking up.
      await this.partial?.abandon({ keep: isWindlassError(error, 'unavailable', 'cancelled') })
      this.#isReady = true
      this.#settle.reject(error)
      this.#tell()
    }
  }

  /** @param ready Called with the file as soon as it is on the disk. */
  async #fetch(ready: (file: LocalFile) => void): Promise<{ tier: ModelTier; ended?: Promise<void> }> {
    const { disk, journal } = this.#tiers
    const here = await this.#onDisk(this.file)
    if (here) {
      ready(here)
      return here
    }
    if (!disk || !(await disk.isWritable())) throw new WindlassError('storage-full', `model folder ${disk?.folder ?? '(none)'} cannot be written: point WINDLASS_MODEL_CACHE to one that can`, { path: 'model-cache' })
    if (this.file.isStored) {
      const local = await this.#fromBucket(this.file).catch((error: unknown) => this.#blame(error))
      if (local) {
        ready(local)
        return local
      }
    }
    const { bucket, hub } = this.#tiers
    if (!hub) throw absentEverywhere(this.#manifest, this.file, bucket?.store.url)
    if (!bucket) {
      const { local, handle } = await this.#fromHub()
      await handle.close()
      ready(local)
      return local
    }
    const claim = { ...this.#tiers, store: bucket.store, signal: this.#tiers.closing }
    return claimed<{ tier: ModelTier; ended?: Promise<void> }>(
      `claims/${this.file.oid.replace(':', '-')}`,
      claim,
      async () => {
        const local = await this.#filledMeanwhile()
        if (local) ready(local)
        return local
      },
      async () => {
        const { local, content, handle } = await this.#fromHub()
        ready(local)
        // Within the claim: who waits for it waits for the bucket.
        await this.#intoBucket(content, handle).catch((error: unknown) => journal.problem('bucket-write', error))
        return local
      },
    )
  }

  async #onDisk(file: ModelFile): Promise<LocalFile | null> {
    if (file.sha256 === null || !this.#tiers.disk) return null
    const path = await this.#tiers.disk.find(file.sha256, file.sizeBytes)
    return path === null ? null : { path, sha256: file.sha256, tier: 'disk' }
  }

  /** What another process put into the bucket, or onto this disk, while this one waited. */
  async #filledMeanwhile(): Promise<LocalFile | null> {
    const stored = await this.#tiers.bucket!.manifest(this.#manifest.repository, this.#manifest.commit).catch(() => null)
    if (!stored) return null
    const file = fileOf(stored.manifest, this.file.path)
    if (!file.isStored) return null
    return (await this.#onDisk(file)) ?? (await this.#fromBucket(file).catch((error: unknown) => this.#blame(error)))
  }

  async #fromBucket(file: ModelFile): Promise<LocalFile> {
    const { bucket } = this.#tiers
    if (!bucket) throw new WindlassError('unavailable', 'there is no bucket')
    const content = await this.#copy((start) => bucket.read(file, { start, signal: this.#tiers.closing }), bucket.store.url, file)
    return this.#finish(content, 'bucket')
  }

  async #fromHub(): Promise<{ local: LocalFile; content: CheckedContent; handle: FileHandle }> {
    const { hub, closing } = this.#tiers
    const { repository, commit } = this.#manifest
    const content = await this.#copy((start) => hub!.read(repository, commit, this.file, start, closing), hub!.endpoint, this.file)
    // Opened before anybody may evict it.
    const handle = await open(this.partial!.path, 'r')
    return { local: await this.#finish(content, 'hub'), content, handle }
  }

  async #intoBucket(content: CheckedContent, handle: FileHandle): Promise<void> {
    const { bucket, clock, journal, closing } = this.#tiers
    const started = clock.monotonic()
    try {
      await bucket!.write(content.sha256, this.file.sizeBytes, handle.createReadStream({ autoClose: false }), { isBroken: this.file.isStored, signal: closing })
      await bucket!.updateFiles(this.#manifest, new Map([[this.file.oid, { sha256: content.sha256, parts: content.parts, isStored: true }]]))
      await this.#learn({ isStored: true })
      journal.stored(this.#manifest.repository, this.file.path, this.file.sizeBytes, clock.monotonic() - started)
    } finally {
      await handle.close()
    }
  }

  /** Brings the file's bytes to the disk and checks them. Bytes that a dead process left count only if the whole is right. */
  async #copy(read: (start: number) => AsyncIterable<Uint8Array>, where: string, file: ModelFile): Promise<CheckedContent> {
    const partial = (this.partial ??= await this.#tiers.disk!.begin(file))
    for (;;) {
      const check = new ContentCheck(file)
      for await (const bytes of partial.readBack()) check.update(bytes)
      const resumed = check.count
      try {
        if (resumed > file.sizeBytes) throw new WindlassError('corrupt', `${partial.path} has ${resumed} bytes, expected at most ${file.sizeBytes}`)
        for await (const bytes of read(resumed)) {
          check.update(bytes)
          await partial.write(bytes)
          this.#tell()
        }
        return check.finish(where)
      } catch (error) {
        if (!isWindlassError(error, 'corrupt')) throw error
        await partial.clear()
        this.generation++
        this.#tell()
        if (resumed === 0) throw error
      }
    }
  }

  async #finish({ sha256, parts }: CheckedContent, tier: ModelTier): Promise<LocalFile> {
    const path = await this.partial!.finish(sha256, this.#pin)
    await this.#learn({ sha256, parts, ...(tier === 'bucket' && { isStored: true }) })
    return { path, sha256, tier }
  }

  /** A bucket that fails is told about, and passed over. */
  #blame(error: unknown): null {
    if (!isWindlassError(error, 'corrupt', 'denied', 'unauthenticated', 'unavailable', 'not-found', 'unsupported')) throw error
    if (this.#tiers.hub === null) throw error
    this.#tiers.journal.problem(error.kind === 'corrupt' ? 'damaged' : 'bucket-read', error)
    return null
  }

  #tell(): void {
    this.#wake()
    this.#expectChange()
  }

  #expectChange(): void {
    this.#changed = new Promise((resolve) => (this.#wake = resolve))
  }
}

/** Nothing has the file, and there is nobody left to ask. */
export function absentEverywhere({ repository }: ModelManifest, { path }: ModelFile, bucketUrl: string | undefined): WindlassError {
  return new WindlassError('not-found', `${path} of model ${repository} is neither on this disk nor in ${bucketUrl ?? 'a bucket'}, and the hub is switched off (HF_HUB_OFFLINE): push it, or allow the hub once`, { path })
}
