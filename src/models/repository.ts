import { WindlassError } from '../base/errors.ts'

/** A model as people write it: `owner/name`, `owner/name@revision`. */
export interface ModelName {
  readonly repository: string
  /** A branch, a tag or a commit. */
  readonly revision: string
}

export const defaultRevision = 'main'

/** @throws {WindlassError} `invalid` for what no repository on a hub can be called. */
export function parseModelName(text: string): ModelName {
  const at = text.indexOf('@')
  const repository = at === -1 ? text : text.slice(0, at)
  const revision = at === -1 ? defaultRevision : text.slice(at + 1)
  checkRepository(repository)
  checkRevision(revision)
  return { repository, revision }
}

// One owner and one name, of what the hub allows. `--` is left out by the hub too: here it stands for the slash in keys.
const repositoryPattern = /^(?:[A-Za-z0-9_][\w.-]{0,95}\/)?[A-Za-z0-9_][\w.-]{0,95}$/

/** @throws {WindlassError} `invalid`. */
export function checkRepository(repository: string): void {
  if (repositoryPattern.test(repository) && !/--|\.\.|[.-]$|[.-]\/|\.git$/.test(repository)) return
  throw new WindlassError('invalid', `model ${JSON.stringify(repository.slice(0, 200))} is not a repository id: expected owner/name, of letters, digits, "_", "-" and "."`, { path: 'model' })
}

/** @throws {WindlassError} `invalid`. */
export function checkRevision(revision: string): void {
  if (/^[\w.+/-]{1,200}$/.test(revision) && !/\.\.|^[/.-]|\/$|\/\//.test(revision)) return
  throw new WindlassError('invalid', `revision ${JSON.stringify(revision.slice(0, 200))} is not a branch, tag or commit`, { path: 'revision' })
}

/** @throws {WindlassError} `invalid` for a path that could leave its folder, here or on another system. */
export function checkFilePath(path: string): void {
  const isPlain = path.length <= 500 && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (isPlain && !/[\u0000-\u001f\u007f\\:\ufffe\uffff\ud800-\udfff]/u.test(path)) return
  throw new WindlassError('invalid', `path ${JSON.stringify(path.slice(0, 200))} is not one of a file in a repository`, { path: 'path' })
}

/** Whether a revision is the full name of a commit, which cannot come to mean another. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}
