// `windlass serve --reload`: a change of .env starts the server anew; a setting that is none waits for the next change.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { exited, wait } from './processes.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'windlass-reload-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('starts anew on a change, survives a wrong one, and ends both processes', { timeout: 180_000 }, async () => {
  const env = (text: string) => writeFileSync(join(folder, '.env'), text)
  env('WINDLASS_BUCKET=file:./one\n')
  const words = ['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, join(root, 'src/cli/main.ts'), 'serve', '--reload', '--port', '0']
  const child = spawn(process.execPath, words, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, WINDLASS_LOG_LEVEL: 'warn' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += String(part)))
  const until = async (pattern: RegExp) => {
    for (let i = 0; i < 1200 && !pattern.test(output); i++) await wait(50)
    expect(output).toMatch(pattern)
    return pattern.exec(output)![1]!
  }
  try {
    const first = await until(/serves file:\.\/one on (http:\S+)/)
    expect((await fetch(`${first}/ready`)).status).toBe(200)
    env('WINDLASS_BUCKET=file:./second\n')
    const second = await until(/serves file:\.\/second on (http:\S+)/)
    expect(output).toContain('.env changed: starting anew')
    expect((await fetch(`${second}/ready`)).status).toBe(200)
    env('WINDLASS_BUCKET=file:./second\nVECTOR_DIMENSION=many\n')
    await until(/(the server ended with status 2: waiting for a change)/)
    env('WINDLASS_BUCKET=file:./third-one\n')
    const third = await until(/serves file:\.\/third-one on (http:\S+)/)
    child.kill('SIGTERM')
    await exited(child)
    expect(child.exitCode).toBe(0)
    await expect(fetch(`${third}/ready`), 'its server is gone too').rejects.toThrow()
  } finally {
    // Killed, it would leave its server behind.
    child.kill('SIGTERM')
    await exited(child)
  }
})
