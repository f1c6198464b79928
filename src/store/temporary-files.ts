import { readdir, readFile, readlink, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { newNonce, type Random } from '../base/random.ts'

// A file of a process that we cannot ask about (another container or machine) is left alone for this long after its last write.
const foreignAgeMs = 24 * 60 * 60 * 1000

/** Where files are written before they get their name. On the same file system, because a link cannot leave it. */
export function temporaryFolder(root: string): string {
  return join(root, '.windlass-tmp')
}

/** A name that tells whose it is: `<where>-<process id>-<when the process started>-<nonce>`. */
export async function temporaryName(random: Random): Promise<string> {
  own ??= Promise.all([processPlace(), startOf(process.pid)]).then(([place, start]) => `${place}-${process.pid}-${start ?? 0}`)
  return `${await own}-${newNonce(random)}`
}

/** Removes what processes left that no longer run. */
export async function sweepTemporary(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    if (await isLeft(path, name, nowMs)) await unlink(path).catch(() => undefined)
  }
}

/** Whether what lies at `path` belongs to a process that runs no more. @param name Of `temporaryName`. */
export async function isLeft(path: string, name: string, nowMs: number): Promise<boolean> {
  const [where, pid, start] = name.split('-')
  if (where === (await processPlace())) return !(await runs(Number(pid), start))
  return nowMs - ((await stat(path).catch(() => null))?.mtimeMs ?? nowMs) > foreignAgeMs
}

let own: Promise<string> | undefined

/** Within what a process id means something: this boot of this machine, and the container on it. */
async function processPlace(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => hostname())
  const container = await readlink('/proc/self/ns/pid').catch(() => '')
  return (boot.slice(0, 13) + container).replace(/[^A-Za-z0-9]/g, '')
}

async function runs(pid: number, start: string | undefined): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Somebody else's process is there all the same.
    if ((error as { code?: string }).code !== 'EPERM') return false
  }
  // The number may have been given to another process since.
  const started = await startOf(pid)
  return started === null || started === start
}

/** When a process started, in ticks since boot; null where the system does not say. */
async function startOf(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // The name in brackets may hold anything; after it, the start is the 20th field (proc(5): the 22nd of all).
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null
}
