// Checks what the type checker cannot: import arrows, hidden time and chance, file length, what may touch Node.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

// Folder -> folders it may import. The same table is in docs/architecture.md; change both in one commit.
const mayImport: Record<string, string[]> = {
  base: [],
  threads: [],
  store: ['base'],
  aws: ['base'],
  format: ['base'],
  kernels: ['base'],
  vector: ['kernels', 'format', 'base'],
  text: ['format', 'base'],
  engine: ['vector', 'text', 'store', 'format', 'kernels', 'base'],
  documents: ['base'],
  embed: ['threads', 'base'],
  config: ['store', 'base'],
  transfer: ['store', 'base'],
  models: ['store', 'base'],
  audio: ['models', 'store', 'threads', 'base'],
  vectorize: ['engine', 'documents', 'embed', 'aws', 'store', 'format', 'text', 'base'],
  library: ['audio', 'vectorize', 'engine', 'documents', 'embed', 'store', 'vector', 'kernels', 'format', 'text', 'threads', 'base'],
  api: ['audio', 'library', 'engine', 'format', 'models', 'base'],
  server: ['audio', 'api', 'library', 'config', 'models', 'base'],
  doctor: ['vectorize', 'embed', 'models', 'config', 'aws', 'store', 'base'],
  cli: ['audio', 'server', 'doctor', 'api', 'migrate', 'library', 'vectorize', 'transfer', 'config', 'aws', 'store', 'models', 'base'],
  migrate: ['library', 'vectorize', 'engine', 'embed', 'store', 'format', 'base'],
  lambda: ['vectorize', 'config', 'embed', 'base'],
  testing: ['vectorize', 'store', 'base'],
}
// These run in a browser: nothing from Node, nothing that only Node has.
const browserFolders = new Set(['base', 'format', 'vector', 'text', 'kernels', 'engine'])
const browserFiles = new Set(['store/object-store.ts', 'store/memory-store.ts', 'store/http-store.ts', 'embed/static-model.ts', 'embed/wordpiece.ts'])
// The few that put components together.
const assemblers = new Set(['index.ts', 'cli/run.ts', 'server/serve.ts', 'lambda/index.ts', 'testing/index.ts', 'testing/servers.ts'])
const testOnly = /\.(test|fuzz\.test|bench)\.ts$/
const banned = [
  { pattern: /\bDate\.now\(|new Date\(|performance\.now\(|\bsetTimeout\(|\bsetInterval\(/, use: 'the injected Clock', except: 'base/clock.ts' },
  { pattern: /\bMath\.random\(|\brandomUUID\(|\bgetRandomValues\(|\brandomBytes\(/, use: 'the injected Random', except: 'base/random.ts' },
]
const linesMax = 500

const source = join(import.meta.dirname, '../src')
const paths = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))

describe.each(paths)('%s', (path) => {
  const text = readFileSync(join(source, path), 'utf8')
  const folder = path.includes('/') ? path.split('/')[0]! : ''
  const isTest = testOnly.test(path)

  test('is short enough to read', () => {
    expect(text.split('\n').length, `split it: over ${linesMax} lines`).toBeLessThanOrEqual(linesMax)
  })

  test('takes time and chance from its parameters', () => {
    if (isTest) return
    for (const { pattern, use, except } of banned) if (path !== except) expect(text, `use ${use}`).not.toMatch(pattern)
  })

  test('imports only downwards', () => {
    if (folder === '' || assemblers.has(path)) return
    const allowed = new Set([folder, ...(mayImport[folder] ?? []), ...(isTest ? ['testing', 'store'] : [])])
    for (const [, specifier] of text.matchAll(/from '(\.[^']+)'/g)) {
      const target = relative(source, join(source, dirname(path), specifier!)).split('/')[0]!
      expect(allowed, `${folder} must not import ${target}`).toContain(target)
    }
  })

  test('runs in a browser if its folder promises so', () => {
    if (isTest || !(browserFolders.has(folder) || browserFiles.has(path))) return
    expect(text).not.toMatch(/from 'node:|import\('node:|\bBuffer\b|\bprocess\./)
  })
})

test('every folder of src is in the table', () => {
  const folders = new Set(paths.filter((path) => path.includes('/')).map((path) => path.split('/')[0]!))
  expect([...folders].filter((folder) => !(folder in mayImport))).toEqual([])
})

test('the console speaks HTTP only: it imports its own files and preact, and names no other host', () => {
  const folder = join(source, '../console')
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) => /\.tsx?$/.test(each) && !testOnly.test(each))) {
    const text = readFileSync(join(folder, path), 'utf8')
    expect(text.split('\n').length, path).toBeLessThanOrEqual(linesMax)
    for (const [, specifier] of text.matchAll(/(?:from|import\()\s*'([^']+)'/g)) {
      if (specifier!.startsWith('.')) expect(relative(folder, join(folder, dirname(path), specifier!)), `${path} imports ${specifier}`).not.toMatch(/^\.\./)
      else expect(specifier, path).toMatch(/^preact(\/hooks)?$/)
    }
    expect(text, path).not.toMatch(/https?:\/\/(?!localhost|127\.0\.0\.1)|innerHTML|insertAdjacentHTML/)
  }
})
