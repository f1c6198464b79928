// Every example runs as it stands there, and prints what it promises. Those in Python: test/python/examples_test.py.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startOpenAiDouble } from '../doubles/openai/double.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'

// Each of these starts programs, one after another.
vi.setConfig({ testTimeout: 180_000 })
const root = join(import.meta.dirname, '../..')
const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
const folder = mkdtempSync(join(tmpdir(), 'windlass-examples-'))
const examples = join(folder, 'examples')
let server: TestServer

beforeAll(async () => {
  cpSync(join(root, 'examples'), examples, { recursive: true })
  // What `npm install` would put there.
  const installed = join(folder, 'node_modules')
  mkdirSync(join(installed, 'windlass'), { recursive: true })
  writeFileSync(join(installed, 'windlass/package.json'), JSON.stringify({ name: 'windlass', type: 'module', exports: './index.mjs' }))
  writeFileSync(join(installed, 'windlass/index.mjs'), `export * from ${JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href)}\n`)
  for (const name of ['@aws-sdk', 'chromadb']) symlinkSync(join(root, 'node_modules', name), join(installed, name))
  writeFileSync(join(folder, 'windlass'), `#!/bin/sh\nexec "${process.execPath}" --import "${tsx}" "${join(root, 'src/cli/main.ts')}" "$@"\n`, { mode: 0o755 })
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a program while this process serves what it asks. */
async function run(program: string, words: string[], { cwd = examples, ...more }: { cwd?: string } & Record<string, string> = {}): Promise<string> {
  const child = spawn(program, words, { cwd, env: { PATH: process.env.PATH, HOME: folder, WINDLASS_URL: server.url, WINDLASS: join(folder, 'windlass'), ...more } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part) => (stdout += String(part)))
  child.stderr.on('data', (part) => (stderr += String(part)))
  await new Promise((resolve) => child.once('close', resolve))
  expect(child.exitCode, stdout + stderr).toBe(0)
  return stdout
}
const node = (path: string, ...words: string[]) => run(process.execPath, ['--import', tsx, path, ...words])

test('library', async () => {
  expect(await node('library/search.mjs')).toBe('anchor.md: The windlass hauls the anchor. The chain may weigh 4 tonnes.\nnearest warm colour: red\n')
})

test.skipIf(spawnSync('curl', ['--version']).status !== 0)('rest, twice (where there is curl)', async () => {
  await run('sh', ['rest/search.sh'])
  expect(await run('sh', ['rest/search.sh'])).toContain('The chain may weigh 4 tonnes.')
})

test.each([
  ['s3vectors-js/put-and-query.mjs', 'nearest warm colour: red\n'],
  ['chroma-js/add-and-query.mjs', 'nearest warm colour: red, like fire\n'],
])('%s, twice', async (path, expected) => {
  await node(path)
  expect(await node(path)).toContain(expected)
})

test('vectorizer', async () => {
  const cwd = join(examples, 'vectorizer')
  await run(join(folder, 'windlass'), ['vectorize'], { cwd })
  const found = await run(join(folder, 'windlass'), ['search', 'how heavy may the chain be', '--collection', 'handbook'], { cwd })
  expect(found).toContain('anchor.md')
})

test('openai', async () => {
  const openAi = await startOpenAiDouble()
  try {
    const found = await run('sh', ['openai/search.sh'], { OPENAI_BASE_URL: openAi.url, OPENAI_API_KEY: openAi.key })
    expect(found).toMatch(/anchor\.md|lanterns\.md/)
  } finally {
    await openAi.close()
  }
})

test('the list names every folder, and every file that it names is there', () => {
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
  const listed = [...readme.matchAll(/^\| \[([\w-]+)\]\(([^)]+)\)/gm)]
  expect(listed.map(([, name]) => name).sort()).toEqual(readdirSync(join(root, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name).sort())
  for (const [, , path] of listed) expect(readFileSync(join(root, 'examples', path!), 'utf8').length).toBeGreaterThan(0)
})
