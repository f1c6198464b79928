import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { WindlassError } from '../../base/errors.ts'
import { print, type Flags } from '../run.ts'

export interface FileToWrite {
  /** Relative to the folder. */
  readonly path: string
  readonly text: string
  /** Will hold keys: only its owner may read it. */
  readonly isSecret?: boolean
}

/**
 * Writes configuration, and says so of each file. What is there already and the same is left; `--dry-run` shows and writes nothing.
 * @throws {WindlassError} `conflict` where one is there and differs, unless `--force`; nothing was written then.
 */
export function writeFiles(files: readonly FileToWrite[], flags: Flags, folder: string = process.cwd()): void {
  const found = new Map(files.map(({ path }) => [path, existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : null]))
  const others = files.filter(({ path, text }) => found.get(path) !== null && found.get(path) !== text)
  if (others.length > 0 && !flags.force && !flags.dryRun) throw new WindlassError('conflict', `${others.map(({ path }) => path).join(' and ')} ${others.length === 1 ? 'is' : 'are'} there already, with other contents: --force replaces, --dry-run shows what would be written`, { path: others[0]!.path })
  for (const { path, text, isSecret = false } of files) {
    if (flags.dryRun) print(`# ${path}${others.some((each) => each.path === path) ? ' (there already; only --force would replace it)' : ''}\n${text}`)
    else if (found.get(path) === text) print(`${path} is there already, as it should be`)
    else {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text, isSecret ? { mode: 0o600 } : {})
      // One that was there keeps its mode when it is written.
      if (isSecret) chmodSync(join(folder, path), 0o600)
      print(`wrote ${path}`)
    }
  }
}
