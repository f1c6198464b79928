import { WindlassError } from '../base/errors.ts'
import { contentTypeOf } from './content-type.ts'
import type { LocalFolder } from './local-folder.ts'
import type { Remote, RemoteFile } from './remote.ts'
import { isSame, Transfer, type TransferOptions, type TransferReport } from './transfer.ts'

/**
 * Sends the files below a folder to a bucket, those that are not there with the same content. Plain objects, and nothing of ours beside
 * them; empty folders leave nothing.
 * @throws {WindlassError} `not-found` without the folder or the bucket; a single file's failure is in the report.
 */
export async function push(folder: LocalFolder, remote: Remote, options: TransferOptions): Promise<TransferReport> {
  const { all = false, deleteMissing = false, isExcluded = () => false, signal } = options
  const transfer = new Transfer(options)
  const there = new Map<string, RemoteFile>()
  if (!all || deleteMissing) for await (const file of remote.list(signal)) there.set(file.path, file)
  const here = new Set<string>()
  await transfer.forEach(folder.list(isExcluded), async (file) => {
    if (deleteMissing) here.add(file.path)
    const known = all ? undefined : there.get(file.path)
    if (known && (await isSame(folder, file, known, remote, signal))) return 'unchanged'
    await folder.read(file, (content) => remote.put(file.path, content, contentTypeOf(file.path), signal))
    return 'transferred'
  })
  transfer.report.skipped = folder.skipped
  if (deleteMissing) {
    if (here.size === 0) throw new WindlassError('invalid', `${folder.root} has no files: --delete would empty ${remote.url}`, { path: folder.root })
    const gone = [...there.keys()].filter((path) => !here.has(path) && !isExcluded(path))
    await remote.delete(gone, signal)
    transfer.report.deleted = gone.length
  }
  return transfer.end(remote)
}
