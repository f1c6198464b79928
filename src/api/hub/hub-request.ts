import { WindlassError } from '../../base/errors.ts'
import { checkFilePath, parseModelName, type ModelName } from '../../models/repository.ts'

/** What a client of the hub asks for. */
export type HubQuestion =
  | { readonly kind: 'info'; readonly name: ModelName }
  | { readonly kind: 'tree'; readonly name: ModelName; readonly folder: string }
  | { readonly kind: 'paths'; readonly name: ModelName }
  | { readonly kind: 'file'; readonly name: ModelName; readonly path: string }

/**
 * Reads the path of a request, below the endpoint: `/api/models/<repository>[/revision/<revision>]`, `/api/models/<repository>/tree/…`,
 * `/api/models/<repository>/paths-info/…`, `/<repository>/resolve/<revision>/<path>`. A repository has one part or two; a revision is
 * one part, in which slashes are encoded.
 * @returns null for any other page of the hub.
 * @throws {WindlassError} `invalid` for names and paths that cannot be.
 */
export function readHubPath(pathname: string): HubQuestion | null {
  const parts = pathname.split('/').slice(1).map(decodePart)
  if (parts[0] === 'api' && parts[1] === 'models') return readApiPath(parts.slice(2))
  const at = parts.indexOf('resolve', 1)
  if (at !== 1 && at !== 2) return null
  const path = parts.slice(at + 2).join('/')
  checkFilePath(path)
  return { kind: 'file', name: nameOf(parts.slice(0, at), parts[at + 1]), path }
}

function readApiPath(parts: readonly string[]): HubQuestion | null {
  const at = parts.findIndex((part, i) => i > 0 && ['revision', 'tree', 'paths-info'].includes(part))
  const repository = at === -1 ? parts : parts.slice(0, at)
  if (repository.length < 1 || repository.length > 2) return null
  if (at === -1) return { kind: 'info', name: nameOf(repository, 'main') }
  const rest = parts.slice(at + 2)
  const name = nameOf(repository, parts[at + 1])
  if (parts[at] === 'tree') return { kind: 'tree', name, folder: rest.join('/') }
  if (rest.length > 0) return null
  return parts[at] === 'revision' ? { kind: 'info', name } : { kind: 'paths', name }
}

function nameOf(repository: readonly string[], revision: string | undefined): ModelName {
  const name = repository.join('/')
  if (name.includes('@')) throw new WindlassError('invalid', `model ${JSON.stringify(name.slice(0, 200))} is not a repository id`, { path: 'model' })
  return parseModelName(`${name}@${revision ?? ''}`)
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new WindlassError('invalid', 'the path has a % that is no escape: write %25', { path: 'path' })
  }
}

/**
 * The range of a file that a request asks for: one, of bytes.
 * @returns `null` for all of it (other units, several ranges: as if not asked, RFC 9110), `unsatisfiable` past its end.
 */
export function readRange(header: string | null, sizeBytes: number): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.replace(/\s/g, '') ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const [first, last] = [match[1] === '' ? null : Number(match[1]), match[2] === '' ? null : Number(match[2])]
  if (first === null) return last === 0 || sizeBytes === 0 ? 'unsatisfiable' : { start: Math.max(0, sizeBytes - last!), end: sizeBytes }
  if (last !== null && last < first) return null
  return first >= sizeBytes ? 'unsatisfiable' : { start: first, end: Math.min(sizeBytes, (last ?? sizeBytes - 1) + 1) }
}
