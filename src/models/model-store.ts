import { open } from 'node:fs/promises'
import picomatch from 'picomatch'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { ModelTiers } from './context.ts'
import { readDirectly } from './direct-read.ts'
import { FileFlight, type LocalFile } from './file-flight.ts'
import { ManifestSource } from './manifest-source.ts'
import type { ModelUse } from './model-disk.ts'
import { fileOf, type ModelFile, type ModelManifest } from './model-manifest.ts'
import { parseModelName, type ModelName } from './repository.ts'
import { storeState, type ModelStoreState } from './store-state.ts'

/** Which files of a model: by name or pattern (`*.json`, `onnx/**`); absent: all. */
export interface FileChoice {
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
}

export interface ModelProgress {
  readonly filesDone: number
  readonly filesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
}

/** Files of a model on the local disk, for as long as they are used. */
export interface LocalModel {
  readonly manifest: ModelManifest
  /** Laid out as the repository. */
  readonly folder: string
  /** Paths within the repository that are there. */
  readonly files: readonly string[]
  /** Lets them go; they may be evicted then, and are removed at once where nothing is kept. */
  release(): Promise<void>
}

const attemptsMax = 5
const filesAtOnce = 4
// A smaller file is given out when it is checked as a whole; a larger one as its bytes come, all but the last.
const wholeBytesMax = 32 * 1024 * 1024
const chunkBytes = 256 * 1024

/**
 * Models by name: from the local disk, the bucket, or Hugging Face's hub, in this order. What came from the hub goes to the bucket, so
 * that it is asked once for every file, whoever asks. The disk keeps what is used, within a budget.
 */
export class ModelStore {
  readonly tiers: ModelTiers
  readonly manifests: ManifestSource
  readonly #keepLocal: boolean
  readonly #flights = new Map<string, FileFlight>()
  readonly #storing = new Set<Promise<void>>()
  readonly #uses = new Set<ModelUse>()
  readonly #closing: AbortController

  /** @param keepLocal Whether files stay on the disk when nobody uses them. @param closing Ends what the tiers do in the background. */
  constructor(tiers: ModelTiers, { keepLocal, closing }: { keepLocal: boolean; closing: AbortController }) {
    this.tiers = tiers
    this.manifests = new ManifestSource(tiers)
    this.#keepLocal = keepLocal
    this.#closing = closing
  }

  /** What a model holds: `owner/name`, `owner/name@revision`. @throws {WindlassError} as `ManifestSource.resolve`. */
  resolve(name: string | ModelName, options: { refresh?: boolean; isStoredOnly?: boolean } = {}): Promise<ModelManifest> {
    return this.manifests.resolve(typeof name === 'string' ? parseModelName(name) : name, options)
  }

  /**
   * Brings files of a model to the local disk and holds them there.
   * @throws {WindlassError} `storage-full` when they are larger than the budget, before anything is fetched; `not-found`, `denied`.
   */
  async use(name: string | ModelName, { include, exclude, refresh = false, onProgress, signal }: FileChoice & { refresh?: boolean; onProgress?: (progress: ModelProgress) => void; signal?: AbortSignal } = {}): Promise<LocalModel> {
    const manifest = await this.resolve(name, { refresh })
    const files = chooseFiles(manifest, { ...(include && { include }), ...(exclude && { exclude }) })
    const { disk } = this.tiers
    const needed = new Map(files.map((file) => [file.oid, file.sizeBytes]))
    const bytesTotal = [...needed.values()].reduce((sum, size) => sum + size, 0)
    if (!disk || !(await disk.isWritable())) throw new WindlassError('storage-full', `model folder ${disk?.folder ?? '(none)'} cannot be written: point WINDLASS_MODEL_CACHE to one that can`, { path: 'model-cache' })
    if (bytesTotal > disk.budgetBytes) throw new WindlassError('storage-full', `model ${manifest.repository} needs ${bytesTotal} bytes on the local disk, where models may take ${disk.budgetBytes}: raise WINDLASS_MODEL_CACHE_BUDGET, or choose fewer files`, { path: 'model-cache-budget' })
    const use = await disk.beginUse()
    this.#uses.add(use)
    const pinned: string[] = []
    const release = async () => {
      this.#uses.delete(use)
      await use.release()
      if (!this.#keepLocal) await this.#dropUnused(pinned)
    }
    try {
      let [filesDone, bytesDone] = [0, 0]
      await inParallel(files, filesAtOnce, async (file) => {
        throwIfAborted(signal)
        pinned.push(await this.#pin(manifest, file, use))
        filesDone++
        bytesDone += file.sizeBytes
        onProgress?.({ filesDone, filesTotal: files.length, bytesDone, bytesTotal: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) })
      })
      return { manifest, folder: use.folder, files: files.map(({ path }) => path), release }
    } catch (error) {
      await release()
      throw error
    }
  }

  /**
   * The bytes of one file, or the range [start, end) of it: from the disk; as they arrive; or past the disk where it cannot be written or
   * has no room. Bytes of the bucket are checked part by part before they are given out, a file of the hub as a whole: a larger one
   * begins at once, and its last byte comes only if all were right.
   */
  async *read(manifest: ModelManifest, path: string, { start = 0, end, signal }: { start?: number; end?: number; signal?: AbortSignal } = {}): AsyncGenerator<Uint8Array> {
    const file = fileOf(manifest, path)
    const to = Math.min(end ?? file.sizeBytes, file.sizeBytes)
    let at = start
    for (let attempt = 1; at < to; attempt++) {
      throwIfAborted(signal)
      const flight = await this.#flight(manifest, file, null)
      try {
        for await (const bytes of flight ? this.#follow(flight, at, to) : readDirectly(this.tiers, manifest, file, { start: at, end: to, signal })) {
          at += bytes.length
          yield bytes
        }
      } catch (error) {
        if (flight && isWindlassError(error, 'storage-full')) {
          for await (const bytes of readDirectly(this.tiers, manifest, file, { start: at, end: to, signal })) {
            at += bytes.length
            yield bytes
          }
        } else if (attempt >= attemptsMax || (error as { code?: string }).code !== 'ENOENT') throw error
      }
    }
  }

  /** Sees to it that the bucket has a file, past the disk. */
  async fill(manifest: ModelManifest, path: string): Promise<void> {
    for await (const bytes of readDirectly(this.tiers, manifest, fileOf(manifest, path), { start: 0, end: 0 })) void bytes
  }

  /** Disk, budget, what was fetched from where, and what is wrong. */
  state(): Promise<ModelStoreState> {
    return storeState(this.tiers)
  }

  /** Waits until what was fetched is in the bucket, `waitMs` at most if given, and lets every file go. What is cut off is taken up by the next. */
  async close({ waitMs }: { waitMs?: number } = {}): Promise<void> {
    const timer = new AbortController()
    const late = waitMs === undefined ? [] : [this.tiers.clock.sleep(waitMs, timer.signal).catch(() => undefined)]
    await Promise.race([this.settled(), ...late])
    timer.abort()
    this.#closing.abort()
    // What was cut off gives its claims up.
    await this.settled()
    for (const use of this.#uses) await use.release()
    await this.tiers.bucket?.store.close?.()
  }

  /** Waits until what was fetched is in the bucket, or is known not to come there. */
  async settled(): Promise<void> {
    await Promise.all(this.#storing)
  }

  async #pin(manifest: ModelManifest, file: ModelFile, use: ModelUse): Promise<string> {
    const target = await use.place(file.path)
    for (let attempt = 1; ; attempt++) {
      const flight = await this.#flight(manifest, file, target)
      const local: LocalFile = await flight!.ready
      if (await use.pin(local.path, target)) return local.sha256
      // Evicted between the two.
      if (attempt >= attemptsMax) throw new WindlassError('unavailable', `${file.path} of ${manifest.repository} was evicted ${attempt} times before it could be used: raise WINDLASS_MODEL_CACHE_BUDGET`, { path: 'model-cache-budget' })
    }
  }

  /** The file on its way to the disk; null where the disk takes none and has not got it. */
  async #flight(manifest: ModelManifest, file: ModelFile, pin: string | null): Promise<FileFlight | null> {
    const current = this.#flights.get(file.oid)
    if (current) return current
    const { disk } = this.tiers
    if (!disk) return null
    if (!(await disk.isWritable()) && (file.sha256 === null || !(await disk.find(file.sha256, file.sizeBytes)))) return null
    const raced = this.#flights.get(file.oid)
    if (raced) return raced
    const flight = new FileFlight(this.tiers, manifest, file, { pin, learn: (change) => this.manifests.learn(manifest, file.oid, change) })
    this.#flights.set(file.oid, flight)
    // Later callers find the file on the disk, and what is known of it in the bucket.
    const forget = () => {
      if (this.#flights.get(file.oid) === flight) this.#flights.delete(file.oid)
    }
    flight.ready.then(forget, forget)
    const storing = flight.done.finally(() => this.#storing.delete(storing))
    this.#storing.add(storing)
    return flight
  }

  async *#follow(flight: FileFlight, start: number, end: number): AsyncGenerator<Uint8Array> {
    const { sizeBytes } = flight.file
    let at = start
    const { generation } = flight
    while (!flight.isReady && sizeBytes > wholeBytesMax) {
      const { changed } = flight
      if (flight.generation !== generation && at > start) throw new WindlassError('unavailable', `${flight.file.path} arrived damaged and is fetched again: ask again`, { path: flight.file.path, retryAfterMs: 1000 })
      const available = Math.min(end, flight.partial?.writtenBytes ?? 0, sizeBytes - 1)
      if (available > at) {
        for await (const bytes of readPath(flight.partial!.path, at, available)) {
          at += bytes.length
          yield bytes
        }
      } else await changed
    }
    const { path } = await flight.ready
    yield* readPath(path, at, end)
  }

  async #dropUnused(hashes: readonly string[]): Promise<void> {
    await this.settled()
    const { disk } = this.tiers
    const used = new Set((await disk!.measure()).blobs.flatMap(({ isUsed, sha256 }) => (isUsed ? [sha256] : [])))
    for (const sha256 of hashes) if (!used.has(sha256)) await disk!.remove(sha256)
  }
}

/** The files that are asked for. @throws {WindlassError} `not-found` where nothing matches. */
export function chooseFiles(manifest: ModelManifest, { include, exclude = [] }: FileChoice): ModelFile[] {
  const isIn = include && picomatch([...include], { dot: true })
  const isOut = exclude.length > 0 ? picomatch([...exclude], { dot: true }) : () => false
  const files = manifest.files.filter(({ path }) => (!isIn || isIn(path)) && !isOut(path))
  if (files.length > 0 || manifest.files.length === 0) return files
  throw new WindlassError('not-found', `model ${manifest.repository} has no file like ${include?.join(', ') ?? 'that'}: it has ${manifest.files.length}, as ${manifest.files.slice(0, 5).map(({ path }) => path).join(', ')}`, { path: 'include' })
}

async function* readPath(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  if (end <= start) return
  const handle = await open(path, 'r')
  try {
    for (let at = start; at < end; ) {
      const buffer = new Uint8Array(Math.min(chunkBytes, end - at))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new WindlassError('unavailable', `${path} ended at byte ${at}, expected ${end}`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

async function inParallel<Item>(items: readonly Item[], count: number, task: (item: Item) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await task(item)
  }
  const ended = await Promise.allSettled(Array.from({ length: count }, work))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
}

