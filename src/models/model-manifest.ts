import { WindlassError } from '../base/errors.ts'
import { checkFilePath, checkRepository, isCommit } from './repository.ts'

/** One file of a model, as one commit of its repository has it. */
export interface ModelFile {
  readonly path: string
  readonly sizeBytes: number
  /**
   * What the hub calls these bytes, and how they are checked when they come from it: `sha256:<hex>` of large files (LFS),
   * `git:<hex>` of others: SHA-1 of `blob <size>\0` and the bytes, as git has it.
   */
  readonly oid: string
  /** Known of large files from the start, of others once their bytes have come. */
  readonly sha256: string | null
  /** SHA-256 of each part of `partBytesOf(sizeBytes)`; null until the bytes have come, and for files of one part. */
  readonly parts: readonly string[] | null
  /** Whether the bucket has the bytes. */
  readonly isStored: boolean
}

/** What a commit of a repository holds. The files grow known; which they are never changes. */
export interface ModelManifest {
  readonly formatVersion: 1
  readonly repository: string
  /** 40 hexadecimal digits; of a pushed folder made from its content. */
  readonly commit: string
  /** Where it came from: the hub's URL, or `push`. */
  readonly origin: string
  readonly files: readonly ModelFile[]
}

const smallestPart = 8 * 1024 * 1024
const partsMax = 1000

/** Files are read from the bucket, and checked, in parts of this size: 8 MiB, and so much more that a file has at most 1,000. */
export function partBytesOf(sizeBytes: number): number {
  return Math.max(smallestPart, Math.ceil(sizeBytes / partsMax / smallestPart) * smallestPart)
}

/** The file at `path`. @throws {WindlassError} `not-found`, naming some that there are. */
export function fileOf(manifest: ModelManifest, path: string): ModelFile {
  const file = manifest.files.find((each) => each.path === path)
  if (file) return file
  const some = manifest.files.slice(0, 5).map((each) => each.path)
  throw new WindlassError('not-found', `model ${manifest.repository} has no file ${JSON.stringify(path.slice(0, 200))}: it has ${manifest.files.length}, as ${some.join(', ')}`, { path })
}

/** A manifest as it lies in the bucket. */
export function encodeManifest(manifest: ModelManifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`)
}

/** @throws {WindlassError} `corrupt` for what is no manifest, `unsupported` for a newer one. */
export function decodeManifest(bytes: Uint8Array, place: string): ModelManifest {
  const manifest = parseJson(bytes, place) as Partial<ModelManifest> | null
  const version = manifest?.formatVersion as number | undefined
  if (typeof version === 'number' && version > 1) throw new WindlassError('unsupported', `${place} has format ${version}, expected 1: upgrade`, { key: place })
  try {
    checkRepository(manifest!.repository!)
    if (!isCommit(manifest!.commit!)) throw new Error('commit')
    for (const file of manifest!.files!) {
      checkFilePath(file.path)
      const isWhole = Number.isSafeInteger(file.sizeBytes) && file.sizeBytes >= 0 && isOid(file.oid) && (file.sha256 === null || isSha256(file.sha256))
      if (!isWhole || !(file.parts === null || file.parts.every(isSha256))) throw new Error(file.path)
    }
    return manifest as ModelManifest
  } catch (cause) {
    throw new WindlassError('corrupt', `${place} is not a manifest of a model: delete it, and pull the model again`, { key: place, cause })
  }
}

/** Which commit a branch or tag meant when it was last asked for. */
export function encodeReference(commit: string): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ formatVersion: 1, commit })}\n`)
}

/** @throws {WindlassError} `corrupt`. */
export function decodeReference(bytes: Uint8Array, place: string): string {
  const { commit } = (parseJson(bytes, place) ?? {}) as { commit?: unknown }
  if (typeof commit === 'string' && isCommit(commit)) return commit
  throw new WindlassError('corrupt', `${place} names no commit: delete it, and pull the model again`, { key: place })
}

export function isSha256(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}

function isOid(text: unknown): boolean {
  return typeof text === 'string' && /^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$/.test(text)
}

function parseJson(bytes: Uint8Array, place: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new WindlassError('corrupt', `${place} is not JSON: delete it, and pull the model again`, { key: place, cause })
  }
}
