import { WindlassError, type ErrorKind } from '../base/errors.ts'

const kinds: Record<string, [ErrorKind, string]> = {
  ENOSPC: ['storage-full', 'no space left on the device: free some, then retry'],
  EDQUOT: ['storage-full', 'the disk quota is used up: free some space, then retry'],
  EACCES: ['denied', 'permission denied: give this user read and write access'],
  EPERM: ['denied', 'operation not permitted: give this user read and write access'],
  EROFS: ['denied', 'the file system is read-only: mount it for writing, or choose another bucket'],
  ENOTDIR: ['invalid', 'a part of the path is a file: no key may be a folder of another'],
  EISDIR: ['invalid', 'the path is a folder: no key may be a folder of another'],
  ENAMETOOLONG: ['invalid', 'the path is too long for this file system'],
  EMFILE: ['unavailable', 'too many open files: raise the limit (ulimit -n)'],
  ENFILE: ['unavailable', 'too many open files on this machine'],
  EBUSY: ['unavailable', 'the file is in use'],
}

/** Turns what `node:fs` throws into our error, naming the place; our own errors pass. */
export function fromFileError(error: unknown, context: { url: string; key?: string; operation: string }): WindlassError {
  if (error instanceof WindlassError) return error
  const { code, message } = error as { code?: string; message?: string }
  const [kind, remedy] = kinds[code ?? ''] ?? (['unavailable', message ?? 'unknown file error'] as const)
  const where = context.key === undefined ? context.url : `${context.url}: ${context.operation} of ${context.key}`
  return new WindlassError(kind, `${where}: ${remedy}`, { bucket: context.url, operation: context.operation, ...(context.key !== undefined && { key: context.key }), cause: error })
}

/** Whether a file is simply not there. */
export function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOENT'
}

/** Whether a part of a path is a file, so that nothing can be below it. */
export function isNoFolder(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOTDIR'
}

/** Whether an exclusive creation met a file that is there. */
export function isPresent(error: unknown): boolean {
  return (error as { code?: string }).code === 'EEXIST'
}
