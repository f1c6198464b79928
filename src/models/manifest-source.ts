import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { temporaryName } from '../store/temporary-files.ts'
import { claimed } from './claim.ts'
import { sha256Of } from './content-check.ts'
import type { ModelTiers } from './context.ts'
import { manifestKey } from './model-bucket.ts'
import { decodeManifest, encodeManifest, type ModelFile, type ModelManifest } from './model-manifest.ts'
import { isCommit, type ModelName } from './repository.ts'

// How long this process takes a branch to mean the commit it meant: another may have asked the hub anew.
const referenceMs = 60_000

/** What a model holds: asked of the bucket, then of the hub, once for all; kept on the disk for when neither can be reached. */
export class ManifestSource {
  readonly #tiers: ModelTiers
  readonly #commits = new Map<string, { commit: string; atMs: number }>()
  readonly #manifests = new Map<string, ModelManifest>()
  readonly #asking = new Map<string, Promise<ModelManifest>>()

  constructor(tiers: ModelTiers) {
    this.#tiers = tiers
  }

  /**
   * The files of a model. A branch means what it meant when the hub was first asked, until `refresh`.
   * @param isStoredOnly Only what the bucket or this disk has: the hub is not asked.
   * @throws {WindlassError} `not-found`; what the hub refuses (`hubError`).
   */
  resolve(name: ModelName, { refresh = false, isStoredOnly = false }: { refresh?: boolean; isStoredOnly?: boolean } = {}): Promise<ModelManifest> {
    const key = `${name.repository}@${name.revision}${refresh ? ' anew' : ''}${isStoredOnly ? ' stored' : ''}`
    const asked = this.#asking.get(key)
    if (asked) return asked
    const asking = (refresh ? this.#refresh(name) : this.#find(name, isStoredOnly)).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  /** What is known of a file now that its bytes have come. */
  async learn({ repository, commit }: ModelManifest, oid: string, change: Partial<ModelFile>): Promise<void> {
    const known = this.#manifests.get(`${repository}@${commit}`)
    if (!known) return
    const manifest = { ...known, files: known.files.map((file) => (file.oid === oid ? { ...file, ...change } : file)) }
    this.#manifests.set(`${repository}@${commit}`, manifest)
    await this.#keepOnDisk(manifest, [commit, ...[...this.#commits].flatMap(([name, at]) => (at.commit === commit && name.startsWith(`${repository}@`) ? [name.slice(repository.length + 1)] : []))])
  }

  forget(repository: string): void {
    for (const map of [this.#commits, this.#manifests]) for (const key of map.keys()) if (key.startsWith(`${repository}@`)) map.delete(key)
  }

  async #find(name: ModelName, isStoredOnly: boolean): Promise<ModelManifest> {
    const { bucket, hub, journal } = this.#tiers
    const commit = await this.#commitOf(name).catch((error: unknown) => this.#unreadable(error))
    if (commit !== null) {
      const known = this.#manifests.get(`${name.repository}@${commit}`)
      // Once all files are in the bucket, nothing about it can change.
      if (known?.files.every(({ isStored }) => isStored)) return known
      const stored = await bucket?.manifest(name.repository, commit).catch((error: unknown) => this.#unreadable(error))
      if (stored) {
        journal.solved('bucket-read')
        await this.#remember(name, stored.manifest)
        return stored.manifest
      }
      if (known) return known
    }
    const kept = await this.#onDisk(name)
    if (kept) return kept
    if (!hub || isStoredOnly) throw new WindlassError('not-found', `model ${name.repository}@${name.revision} is neither on this disk nor in ${bucket?.store.url ?? 'a bucket'}${hub ? '' : ', and the hub is switched off (HF_HUB_OFFLINE)'}: pull or push it first`, { path: name.repository })
    return this.#once(name, async () => {
      const commit = isCommit(name.revision) ? name.revision : await bucket!.reference(name.repository, name.revision)
      return commit === null ? null : ((await bucket!.manifest(name.repository, commit))?.manifest ?? null)
    })
  }

  async #refresh(name: ModelName): Promise<ModelManifest> {
    if (!this.#tiers.hub) throw new WindlassError('invalid', 'the hub is switched off (HF_HUB_OFFLINE): it cannot be asked for what is new', { path: 'hf-offline' })
    return this.#fromHub(name)
  }

  async #commitOf({ repository, revision }: ModelName): Promise<string | null> {
    if (isCommit(revision)) return revision
    const { bucket, clock } = this.#tiers
    const known = this.#commits.get(`${repository}@${revision}`)
    if (known && clock.monotonic() - known.atMs < referenceMs) return known.commit
    return (await bucket?.reference(repository, revision)) ?? null
  }

  /** Asks the hub, unless another process is doing so: then waits for what it finds. */
  async #once(name: ModelName, find: () => Promise<ModelManifest | null>): Promise<ModelManifest> {
    const { bucket, closing } = this.#tiers
    if (!bucket) return this.#fromHub(name)
    const claim = `claims/list-${sha256Of(new TextEncoder().encode(`${name.repository}@${name.revision}`)).slice(0, 32)}`
    const manifest = await claimed(claim, { ...this.#tiers, store: bucket.store, signal: closing }, () => find().catch((error: unknown) => this.#unreadable(error)), () => this.#fromHub(name))
    await this.#remember(name, manifest)
    return manifest
  }

  async #fromHub(name: ModelName): Promise<ModelManifest> {
    const { bucket, hub, journal, closing } = this.#tiers
    let manifest = await hub!.list(name.repository, name.revision, closing)
    try {
      manifest = await this.#withStored(manifest)
      // First what a branch means, then that it does.
      manifest = (await bucket?.addManifest(manifest)) ?? manifest
      if (!isCommit(name.revision)) await bucket?.putReference(name.repository, name.revision, manifest.commit)
    } catch (error) {
      journal.problem('bucket-write', error)
    }
    await this.#remember(name, manifest)
    return manifest
  }

  /** Files that other commits have, and the bucket: they need not come again. */
  async #withStored(manifest: ModelManifest): Promise<ModelManifest> {
    const { bucket } = this.#tiers
    if (!bucket) return manifest
    const known = new Map<string, ModelFile>()
    for await (const { files } of bucket.manifests(manifest.repository)) for (const file of files) if (file.isStored) known.set(file.oid, file)
    return { ...manifest, files: manifest.files.map((file) => ({ ...file, ...known.get(file.oid), path: file.path })) }
  }

  async #remember({ repository, revision }: ModelName, manifest: ModelManifest): Promise<void> {
    this.#manifests.set(`${repository}@${manifest.commit}`, manifest)
    if (!isCommit(revision)) this.#commits.set(`${repository}@${revision}`, { commit: manifest.commit, atMs: this.#tiers.clock.monotonic() })
    await this.#keepOnDisk(manifest, [...new Set([revision, manifest.commit])])
  }

  async #keepOnDisk(manifest: ModelManifest, revisions: readonly string[]): Promise<void> {
    const { disk, random, journal } = this.#tiers
    if (!disk || !(await disk.isWritable())) return
    for (const revision of revisions) {
      const path = keptPath(disk.folder, { repository: manifest.repository, revision })
      const aside = `${path}.${await temporaryName(random)}`
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(aside, encodeManifest(manifest)).then(() => rename(aside, path)).catch((error: unknown) => journal.problem('disk', error))
    }
  }

  async #onDisk(name: ModelName): Promise<ModelManifest | null> {
    const { disk } = this.#tiers
    if (!disk) return null
    const path = keptPath(disk.folder, name)
    const bytes = await readFile(path).catch(() => null)
    try {
      return bytes && decodeManifest(bytes, path)
    } catch {
      return null
    }
  }

  /** A bucket that cannot be read is told about; the next tier is asked. A manifest that is damaged is made anew. */
  #unreadable(error: unknown): null {
    if (!isWindlassError(error, 'corrupt', 'denied', 'unauthenticated', 'unavailable', 'not-found', 'unsupported')) throw error
    this.#tiers.journal.problem(error.kind === 'corrupt' ? 'damaged' : 'bucket-read', error)
    return null
  }
}

function keptPath(folder: string, { repository, revision }: ModelName): string {
  return join(folder, `${manifestKey(repository, encodeURIComponent(revision))}.json`)
}
