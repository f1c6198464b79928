import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { WindlassError } from '../../base/errors.ts'
import type { SourceDocument } from '../document-index.ts'
import { isPlainlyNotText } from './skipped-files.ts'

// Never text that somebody wrote to be found.
const skippedFolders = new Set(['.git', 'node_modules', '.windlass', '.hg', '.svn', '__pycache__', '.venv'])

/**
 * The files at `path`: itself, or everything below it but hidden folders, `node_modules` and files that are plainly not text.
 * A document's identity is its path as walked: `path` and what lies below it, with `/` between.
 * @throws {WindlassError} `not-found` when nothing is there.
 */
export async function* folderSource(path: string): AsyncIterable<SourceDocument> {
  const info = await stat(path).catch(() => null)
  if (!info) throw new WindlassError('not-found', `${path}: no such file or folder`, { path })
  if (info.isFile()) yield fileDocument(path, info.size)
  else yield* walk(path)
}

async function* walk(folder: string): AsyncIterable<SourceDocument> {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name) && !entry.name.startsWith('.')) yield* walk(path)
    } else if (entry.isFile() && !isPlainlyNotText(entry.name) && !entry.name.startsWith('.')) {
      yield fileDocument(path, (await stat(path)).size)
    }
  }
}

function fileDocument(path: string, size: number): SourceDocument {
  return { source: path.split('\\').join('/').replace(/^\.\//, ''), size, open: () => createReadStream(path) }
}
