// The files of one key. A key that was only ever created is one plain file. The first overwrite pins that file as version 0 in the
// folder `<name>~v` (a second link to the same bytes); from then on the key is versioned, for ever, and its plain file means nothing.
// The highest number is the object. Version 0 is never removed: it says which creation counted.
// docs/decisions/0001-directory-store.md has the argument.
import { constants } from 'node:fs'
import { link, open, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from '../base/random.ts'
import { isMissing, isNoFolder, isPresent } from './file-errors.ts'
import { versionsSuffix } from './file-names.ts'

/** What a version that says "deleted" holds; 32 random bytes that no object may equal. */
export const tombstone = Uint8Array.from([
  0x9d, 0x1f, 0xe2, 0x40, 0x77, 0x0b, 0xc8, 0x35, 0xaa, 0x64, 0x12, 0xf9, 0x5e, 0x83, 0x2c, 0xd1, 0x06, 0xbb, 0x49, 0x90, 0xe7, 0x3d, 0x58, 0x1a, 0xf4, 0x6f, 0x25, 0xce, 0x97, 0x02, 0xdb, 0x71,
])
// Names of versions sort as their numbers do.
const versionDigits = 12

/** One state of a key. */
export interface Version {
  readonly number: number
  readonly path: string
  /** It is the plain file, and no overwrite has been begun. */
  readonly isPlain: boolean
  readonly etag: string
  readonly size: number
  readonly lastModified: number
  readonly isTombstone: boolean
}

/**
 * The state of a key whose plain file is `path`; null when there never was one, or its plain file was removed.
 * Linearizable: the version was the highest at some moment during the call.
 */
export async function currentVersion(path: string): Promise<Version | null> {
  for (;;) {
    // In this order: if there are no versions later, there were none before, so the plain file was the object when it was looked at.
    const plain = await versionAt(path, 0, true)
    const highest = (await versionNames(path)).at(-1)
    if (highest === undefined) return plain
    const version = await versionAt(versionPath(path, Number(highest)), Number(highest), false)
    // Gone: removed since, because higher ones came.
    if (version) return version
  }
}

/** The version `number` of a key as it is now; null when it is not there. */
export async function versionAt(path: string, number: number, isPlain: boolean): Promise<Version | null> {
  const stats = await stat(path, { bigint: true }).catch(nullIfMissing)
  if (!stats || stats.isDirectory()) return null
  const version = { number, path, isPlain, etag: etagOf(number, stats), size: Number(stats.size), lastModified: Number(stats.mtimeMs), isTombstone: false }
  if (number === 0 || version.size !== tombstone.length) return version
  const bytes = await readVersion(version, 0, version.size)
  return bytes && { ...version, isTombstone: isTombstoneBytes(bytes) }
}

/** Path of version `number` of the key with the plain file `path`. */
export function versionPath(path: string, number: number): string {
  return join(path + versionsSuffix, String(number).padStart(versionDigits, '0'))
}

/**
 * Makes the plain file version 0, as the first step of an overwrite; the folder must be there.
 * @returns whether `base` is that version: false when another file, or none, is there now.
 */
export async function pinPlain(path: string, base: Version): Promise<boolean> {
  const pinned = versionPath(path, 0)
  try {
    await link(path, pinned)
  } catch (error) {
    if (isMissing(error)) return false
    if (!isPresent(error)) throw error
  }
  return (await versionAt(pinned, 0, false))?.etag === base.etag
}

/**
 * Removes versions from 1 to below `end` in ascending order, up to the first that cannot be removed: a version that is there proves
 * that none above it was removed. Version 0, which stays, cannot prove that: a mark is left before the first goes.
 */
export async function removeOldVersions(path: string, end: number): Promise<void> {
  if (end <= 1) return
  const old = (await versionNames(path)).filter((name) => Number(name) >= 1 && Number(name) < end)
  if (old.length === 0) return
  await (await open(prunedMark(path), 'a')).close()
  for (const name of old) {
    try {
      await unlink(join(path + versionsSuffix, name))
    } catch (error) {
      if (!isMissing(error)) return
    }
  }
}

/** Whether `base` proves that the version after it was made for the first time: it is still there, and no such proof is void. */
export async function provesNext(path: string, base: Version): Promise<boolean> {
  const still = await versionAt(versionPath(path, base.number), base.number, false)
  if (still?.etag !== base.etag) return false
  return base.number > 0 || (await stat(prunedMark(path)).catch(nullIfMissing)) === null
}

/**
 * A new file at `path` with what `write` writes, synced. A failed sync is never retried on the same file: the kernel may have
 * dropped the pages (Rebello et al. 2020, "Can Applications Recover from fsync Failures?").
 */
export async function writeSynced(path: string, clockMs: number, random: Random, write: (handle: FileHandle) => Promise<unknown>): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666)
  try {
    await write(handle)
    const time = nonceTime(clockMs, random)
    await handle.utimes(time, time)
    await handle.sync()
  } catch (error) {
    await handle.close()
    await unlink(path).catch(() => undefined)
    throw error
  }
  await handle.close()
}

/** Bytes [start, end) of a version; null when it is gone, also when another file has its name now. */
export async function readVersion({ path, number, etag }: Version, start: number, end: number): Promise<Uint8Array | null> {
  const handle = await open(path, 'r').catch(nullIfMissing)
  if (!handle) return null
  try {
    if (etagOf(number, await handle.stat({ bigint: true })) !== etag) return null
    return await readHandle(handle, start, end)
  } finally {
    await handle.close()
  }
}

async function readHandle(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
    if (bytesRead === 0) return bytes.subarray(0, filled)
    filled += bytesRead
  }
  return bytes
}

/** Makes what was created, linked or removed in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows has no way to sync a folder, and needs none.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether `bytes` say that a key was deleted. */
export function isTombstoneBytes(bytes: Uint8Array): boolean {
  return bytes.length === tombstone.length && bytes.every((byte, i) => byte === tombstone[i])
}

// Need not survive a power cut: neither does a process that stalls.
function prunedMark(path: string): string {
  return join(path + versionsSuffix, 'pruned')
}

type FileHandle = Awaited<ReturnType<typeof open>>

/** Numbers that there are, ascending, as names. */
async function versionNames(path: string): Promise<string[]> {
  const names = (await readdir(path + versionsSuffix).catch(nullIfMissing)) ?? []
  return names.filter((name) => /^\d+$/.test(name)).sort()
}

/**
 * Number, inode, time and size. An inode is free again as soon as its file is removed, and clocks tick every few milliseconds, so
 * the time's fraction is chance: see `nonceTime`.
 */
function etagOf(number: number, stats: { ino: bigint; mtimeNs: bigint; size: bigint }): string {
  return `"${number}-${stats.ino.toString(36)}-${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}"`
}

/** A time within the second before `clockMs`, in seconds, with 22 random bits in its fraction: a double holds no more there. */
function nonceTime(clockMs: number, random: Random): number {
  const [a = 0, b = 0, c = 0] = random.bytes(3)
  return Math.floor(clockMs / 1000) + ((a << 14) | (b << 6) | (c >> 2)) / 2 ** 22
}

function nullIfMissing(error: unknown): null {
  if (isMissing(error) || isNoFolder(error)) return null
  throw error
}
