// How object keys become paths: each part of a key is a file or folder name that every file system keeps apart.
//
//   a-z 0-9 . _ -   stay, but for a leading dot; every other byte of the UTF-8 is %xx. Upper case is escaped because some file
//                   systems fold it, `~` because our own suffixes begin with it.
//   names that Windows reserves (con, aux, nul, com1 …) have their first letter escaped.
//   a name above 180 characters continues in a folder: `<first 180>~c/<rest>`.
import { compareUtf8, fromUtf8Lenient, toUtf8 } from '../base/bytes.ts'

/** Folder that holds the versions of a key that has been overwritten. */
export const versionsSuffix = '~v'
/** Folder that holds the rest of long names. */
export const continuedSuffix = '~c'
const nameLengthMax = 180
const kept = /^[a-z0-9._-]$/
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/

/** The path of a key below the root, with `/` between names. */
export function pathOfKey(key: string): string {
  return key.split('/').map(encodePart).join('/')
}

function encodePart(part: string): string {
  let name = ''
  for (const byte of toUtf8(part)) {
    const char = String.fromCharCode(byte)
    name += kept.test(char) ? char : escaped(byte)
  }
  if (name.startsWith('.') || reserved.test(name)) name = escaped(name.charCodeAt(0)) + name.slice(1)
  // A name that ends in a dot or a space is cut on Windows.
  if (name.endsWith('.')) name = `${name.slice(0, -1)}%2e`
  if (name.length <= nameLengthMax) return name
  const pieces: string[] = []
  for (let at = 0; at < name.length; ) {
    let end = Math.min(at + nameLengthMax, name.length)
    // An escape stays whole.
    const escape = name.lastIndexOf('%', end - 1)
    if (end < name.length && escape > end - 3) end = escape
    pieces.push(name.slice(at, end))
    at = end
  }
  return pieces.map((piece, i) => (i < pieces.length - 1 ? piece + continuedSuffix : piece)).join('/')
}

function escaped(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`
}

/** The part of a key that a name stands for; null for a name that is none of ours. */
export function decodeName(name: string): string | null {
  if (!/^(?:[a-z0-9._-]|%[0-9a-f]{2})+$/.test(name) || name.startsWith('.')) return null
  const bytes: number[] = []
  for (let i = 0; i < name.length; i++) {
    if (name[i] === '%') {
      bytes.push(Number.parseInt(name.slice(i + 1, i + 3), 16))
      i += 2
    } else bytes.push(name.charCodeAt(i))
  }
  const part = fromUtf8Lenient(Uint8Array.from(bytes))
  return encodePart(part).replaceAll(`${continuedSuffix}/`, '') === name ? part : null
}

/** What a folder holds, as listings see it: keys in it, and folders of further keys, in the order of the keys. */
export function sortEntries<Entry extends { readonly part: string; readonly isFolder: boolean }>(entries: Entry[]): Entry[] {
  const sortKey = (entry: Entry) => (entry.isFolder ? `${entry.part}/` : entry.part)
  return entries.sort((a, b) => compareUtf8(sortKey(a), sortKey(b)))
}
