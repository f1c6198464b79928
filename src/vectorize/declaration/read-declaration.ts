import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { messageOf, WindlassError } from '../../base/errors.ts'
import { checkDeclaration, problemsError, type Place } from './check-declaration.ts'
import type { Problem } from './contradictions.ts'
import type { Declaration } from './declaration.ts'

/** A declaration and where it was read. Relative paths in it start at `folder`. */
export interface DeclarationFile {
  /** Absolute. */
  readonly path: string
  readonly folder: string
  readonly declaration: Declaration
}

/** What is looked for, in this order, where no file is named. */
export const declarationFileNames = ['windlass.yaml', 'windlass.yml', 'windlass.json', 'windlass.config.ts', 'windlass.config.mts', 'windlass.config.js', 'windlass.config.mjs'] as const

/**
 * Reads a declaration in YAML 1.2, of which JSON is a part. Anchors and merge keys work; tags that are not YAML's own and keys twice
 * are errors.
 * @throws {WindlassError} `invalid` with everything that is wrong, each with line and column.
 */
export function readDeclaration(text: string, fileName: string): Declaration {
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { text: `${fileName}:${Math.max(1, line)}:${Math.max(1, col)}`, offset }
  }
  // Pretty errors quote the line, in which a secret may stand.
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { lineCounter: lines, prettyErrors: false, merge: true, uniqueKeys: true, logLevel: 'error' })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) throw problemsError(faults.map(({ message, pos }) => ({ path: [], message: lowered(message), place: place(pos[0]) })))
  let data: unknown
  try {
    data = document.toJS()
  } catch (error) {
    throw problemsError([{ path: [], message: lowered(messageOf(error)), place: place(0) }])
  }
  return checkDeclaration(data, (problem) => place(offsetOf(document, problem)))
}

/**
 * Reads a declaration from a file: YAML, JSON, or a module whose default export is a declaration, a vectorizer or a list of them.
 * @param path Default: the one of `declarationFileNames` that is in `folder`.
 * @throws {WindlassError} `not-found`; `invalid` with all that is wrong; `unsupported` for TypeScript where Node cannot load it.
 */
export async function readDeclarationFile(path?: string, { folder = process.cwd() }: { folder?: string } = {}): Promise<DeclarationFile> {
  const file = path === undefined ? await findDeclaration(folder) : resolve(folder, path)
  const place = { path: file, folder: dirname(file) }
  if (/\.[cm]?[jt]s$/.test(file)) return { ...place, declaration: checkDeclaration(await loadModule(file), () => ({ text: basename(file), offset: 0 })) }
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const isMissing = (error as { code?: string }).code === 'ENOENT'
    throw new WindlassError(isMissing ? 'not-found' : 'invalid', `${file}: ${isMissing ? 'no such file' : `cannot be read: ${messageOf(error)}`}`, { path: file, cause: error })
  }
  return { ...place, declaration: readDeclaration(text, basename(file)) }
}

async function findDeclaration(folder: string): Promise<string> {
  const names = new Set(await readdir(folder).catch(() => []))
  const found = declarationFileNames.filter((name) => names.has(name))
  const [first, second] = found
  if (first === undefined) throw new WindlassError('not-found', `${folder}: no ${declarationFileNames.slice(0, 3).join(', ')} or windlass.config.js here: write one, or name a file`, { path: folder })
  if (second !== undefined) throw new WindlassError('invalid', `${folder} has ${found.join(' and ')}: keep one, or name the one that is meant`, { path: folder })
  return join(folder, first)
}

async function loadModule(file: string): Promise<unknown> {
  let value: unknown
  try {
    value = ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new WindlassError('unsupported', `${file}: Node ${process.version} does not load TypeScript: use Node 22.18 or later, run it with tsx, or write windlass.config.js or windlass.yaml`, { path: file, cause: error })
    }
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && messageOf(error).includes(`'${file}'`)
    throw new WindlassError(isMissing ? 'not-found' : 'invalid', isMissing ? `${file}: no such file` : `${file} cannot be loaded: ${messageOf(error)}`, { path: file, cause: error })
  }
  if (value === undefined) throw new WindlassError('invalid', `${file} has no default export: export default { version: 1, vectorizers: [...] }`, { path: file })
  if (Array.isArray(value)) return { version: 1, vectorizers: value }
  return typeof value === 'object' && value !== null && 'source' in value ? { version: 1, vectorizers: [value] } : value
}

/** Where in the text a problem is: the key that should not be there, the value, or the nearest mapping around what is missing. */
function offsetOf(document: Document, { path, key }: Problem): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (!isNode(node) || !node.range) continue
    if (key !== undefined && length === path.length && isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === key)
      if (isNode(pair?.key) && pair.key.range) return pair.key.range[0]
    }
    return node.range[0]
  }
  return 0
}

function lowered(message: string): string {
  return (message.charAt(0).toLowerCase() + message.slice(1)).replace(/\.$/, '')
}
