import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareUtf8 } from '../base/bytes.ts'
import { isMissing, isNoFolder } from './file-errors.ts'
import { continuedSuffix, decodeName, pathOfKey, sortEntries, versionsSuffix } from './file-names.ts'

interface Entry {
  readonly part: string
  readonly isFolder: boolean
}

/**
 * Keys below `folder` (a key prefix that ends in `/`, or empty) that start with `prefix` and come after `startAfter`, in order.
 * Holds the names of one folder a level in memory. Files that are none of ours are passed over.
 */
export async function* listFolder(root: string, folder: string, prefix: string, startAfter: string): AsyncIterable<string> {
  const path = folder === '' ? root : join(root, pathOfKey(folder.slice(0, -1)))
  const entries = sortEntries(unique(await entriesOf(path, '')))
  for (const { part, isFolder } of entries) {
    const key = folder + part + (isFolder ? '/' : '')
    if (!isFolder) {
      if (key.startsWith(prefix) && compareUtf8(key, startAfter) > 0) yield key
      continue
    }
    const mayHold = key.startsWith(prefix) || prefix.startsWith(key)
    const isBehind = compareUtf8(key, startAfter) < 0 && !startAfter.startsWith(key)
    if (mayHold && !isBehind) yield* listFolder(root, key, prefix, startAfter)
  }
}

/** @param begun What the folders of a long name have said of it so far. */
async function entriesOf(path: string, begun: string): Promise<Entry[]> {
  const found = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error) || isNoFolder(error)) return []
    throw error
  })
  const entries: Entry[] = []
  for (const entry of found) {
    if (entry.isDirectory() && entry.name.endsWith(continuedSuffix)) {
      entries.push(...(await entriesOf(join(path, entry.name), begun + entry.name.slice(0, -continuedSuffix.length))))
      continue
    }
    // The versions of a key stand for the key, also when its plain file is gone.
    const isVersions = entry.isDirectory() && entry.name.endsWith(versionsSuffix)
    const part = decodeName(begun + (isVersions ? entry.name.slice(0, -versionsSuffix.length) : entry.name))
    if (part !== null && (entry.isDirectory() || entry.isFile())) entries.push({ part, isFolder: entry.isDirectory() && !isVersions })
  }
  return entries
}

function unique(entries: readonly Entry[]): Entry[] {
  return [...new Map(entries.map((entry) => [entry.part + (entry.isFolder ? '/' : ''), entry])).values()]
}
