import type { FileHandle } from 'node:fs/promises'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { BufferPool, forEachAtOnce } from './at-once.ts'
import type { LocalFolder } from './local-folder.ts'
import { partBytesOf, partsAtOnce, type GetPiece, type Piece, type Remote, type RemoteFile } from './remote.ts'
import { isSame, Transfer, type TransferOptions, type TransferReport } from './transfer.ts'

/**
 * Brings the objects below a prefix into a folder, those that are not there with the same content. Keys that end in a slash stand for
 * folders and are passed over.
 * @throws {WindlassError} `not-found` without the bucket; a single file's failure is in the report.
 */
export async function pull(remote: Remote, folder: LocalFolder, options: TransferOptions): Promise<TransferReport> {
  const { all = false, deleteMissing = false, isExcluded = () => false, signal } = options
  const transfer = new Transfer(options)
  const there = new Set<string>()
  const wanted = async function* () {
    for await (const file of remote.list(signal)) {
      if (file.path === '' || file.path.endsWith('/') || isExcluded(file.path)) continue
      there.add(file.path)
      yield file
    }
  }
  await transfer.forEach(wanted(), async (file) => {
    const here = all ? null : await folder.find(file.path)
    if (here && (await isSame(folder, here, file, remote, signal))) return 'unchanged'
    await fetchFile(remote, folder, file, signal)
    return 'transferred'
  })
  if (deleteMissing) {
    if (there.size === 0) throw new WindlassError('invalid', `${remote.url} has no objects: --delete would empty ${folder.root}`, { path: folder.root })
    for await (const { path } of folder.list(isExcluded)) {
      if (there.has(path)) continue
      await folder.remove(path).then(() => transfer.report.deleted++, (error: unknown) => transfer.fail(path, error))
    }
  }
  return transfer.end(remote)
}

const versionsMax = 3

/** One object, in parts where it is large. When it is replaced meanwhile, it is read again. */
async function fetchFile(remote: Remote, folder: LocalFolder, listed: RemoteFile, signal: AbortSignal | undefined): Promise<void> {
  let file = listed
  for (let attempt = 1; ; attempt++) {
    try {
      await folder.replace(file.path, (handle) => fetchParts(remote, file, handle, signal))
      return
    } catch (error) {
      if (attempt >= versionsMax || !isWindlassError(error, 'conflict')) throw error
      const { etag, size } = await getPiece(remote, file, { range: { start: 0, end: 1 }, signal })
      file = { path: file.path, etag, size }
    }
  }
}

/** @throws {WindlassError} `conflict` unless all parts are of the version that was listed. */
async function fetchParts(remote: Remote, file: RemoteFile, handle: FileHandle, signal: AbortSignal | undefined): Promise<void> {
  const partBytes = partBytesOf(file.size)
  if (file.size <= partBytes) {
    await handle.writeFile((await getPiece(remote, file, { signal })).bytes)
    return
  }
  let etag = file.etag
  const buffers = new BufferPool(partBytes)
  await forEachAtOnce(Array.from({ length: Math.ceil(file.size / partBytes) }).keys(), partsAtOnce, (i) =>
    buffers.use(async (into) => {
      const start = i * partBytes
      const end = Math.min(file.size, start + partBytes)
      const part = await getPiece(remote, file, { range: { start, end }, into, signal })
      if (etag === '') etag = part.etag
      if (part.etag !== etag || part.size !== file.size) throw new WindlassError('conflict', `${file.path} was replaced while it was read`, { key: file.path })
      if (part.bytes.length !== end - start) throw new WindlassError('unsupported', `${remote.url} answered ${part.bytes.length} bytes where ${end - start} of ${file.path} were asked for: it does not read ranges`, { key: file.path })
      await writeAll(handle, part.bytes, start)
    }),
  )
}

async function getPiece(remote: Remote, { path }: RemoteFile, options: GetPiece): Promise<Piece> {
  const piece = await remote.get(path, options)
  // No status in the details: it is about this object, not about the bucket.
  if (!piece) throw new WindlassError('not-found', `${path} was deleted before it was read`, { key: path })
  return piece
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
}
