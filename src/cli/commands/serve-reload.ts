import { spawn, type ChildProcess } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { declarationFileNames } from '../../vectorize/declaration/read-declaration.ts'
import type { Flags } from '../run.ts'

const lookMs = 300

/**
 * `windlass serve --reload`, for development: a server in a process of its own, that is started anew when `.env`, the declaration or, in a
 * checkout, the source changes. One that ends by itself, of a setting that is none, waits for the next change.
 */
export async function serveReloading(flags: Flags): Promise<void> {
  const files = ['.env', ...declarationFileNames, ...(typeof flags.config === 'string' ? [flags.config] : [])]
  // Installed packages do not change under a server.
  const source = fileURLToPath(new URL('../../', import.meta.url))
  const folder = source.includes(`${sep}node_modules${sep}`) ? null : source
  let stopping = false
  let child = startServer()
  const stop = (signal: NodeJS.Signals) => {
    stopping = true
    // A terminal tells both. Passed on each time: the second signal does not wait, and the server knows that itself.
    if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  let seen = await stateOf(files, folder)
  while (!stopping) {
    await systemClock.sleep(lookMs)
    const now = await stateOf(files, folder)
    const changed = [...now].find(([path, state]) => seen.get(path) !== state)?.[0] ?? [...seen.keys()].find((path) => !now.has(path))
    if (changed === undefined || stopping) continue
    process.stderr.write(`${changed} changed: starting anew\n`)
    seen = now
    child.kill('SIGTERM')
    await ended(child)
    if (!stopping) child = startServer()
  }
  await ended(child)
  process.exitCode = child.exitCode ?? 0
}

function startServer(): ChildProcess {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1).filter((word) => word !== '--reload')], { stdio: 'inherit' })
  child.once('exit', (code) => {
    if (code) process.stderr.write(`the server ended with status ${code}: waiting for a change\n`)
  })
  return child
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())))
}

/** Time and size of each file that is there. Asked again and again: notifications do not come from all file systems. */
async function stateOf(files: readonly string[], folder: string | null): Promise<Map<string, string>> {
  const names = folder === null ? [] : (await readdir(folder, { recursive: true })).filter((name) => /\.(ts|js|mjs|wasm)$/.test(name)).map((name) => join(folder, name))
  const states = await Promise.all([...files, ...names].map(async (path) => [path, await stat(path).then(({ mtimeMs, size }) => `${mtimeMs} ${size}`, () => null)] as const))
  return new Map(states.filter((entry): entry is [string, string] => entry[1] !== null))
}
