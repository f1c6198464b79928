import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

const cli = join(import.meta.dirname, '../../src/cli/main.ts')
const node = ['--import', 'tsx', cli]
const children = new Set<ChildProcess>()

/** Ends with the test file, however it ends. */
export function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** Starts `windlass` with `args`. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [...node, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Runs `windlass` with `args` to its end. */
export function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [...node, ...args], { encoding: 'utf8', env: { ...process.env, ...env } })
}

/** As `run`, while this process goes on: it may serve what the other one asks. */
export async function runBeside(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = start(args, env)
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', (part) => (stdout += String(part)))
  child.stderr!.on('data', (part) => (stderr += String(part)))
  await new Promise((resolve) => child.once('close', resolve))
  return { status: child.exitCode, stdout, stderr }
}

export function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())))
}

export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** A serving process, once it takes requests. */
export async function startServer(bucket: string, env: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess; url: string }> {
  const child = start(['serve', '--bucket', bucket, '--port', '0'], env)
  let output = ''
  let errors = ''
  child.stdout!.on('data', (part) => (output += String(part)))
  child.stderr!.on('data', (part) => (errors += String(part)))
  for (let i = 0; i < 600; i++) {
    const [url] = /http:\S+/.exec(output) ?? []
    if (url) return { child, url }
    if (child.exitCode !== null) break
    await wait(50)
  }
  child.kill('SIGKILL')
  throw new Error(`serve is not ready: ${output}${errors}`)
}

export const post = (url: string, body: unknown) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

/** All pages of a list, one after another. */
export async function listAll<Item>(url: string, field: string): Promise<Item[]> {
  const items: Item[] = []
  for (let after: string | undefined; ; ) {
    const query = new URLSearchParams({ limit: '1000', ...(after !== undefined && { after }) })
    const response = await fetch(`${url}?${query}`)
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
    const page = (await response.json()) as Record<string, unknown>
    items.push(...(page[field] as Item[]))
    if (page.next === undefined) return items
    after = page.next as string
  }
}
