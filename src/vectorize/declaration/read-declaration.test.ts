import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isWindlassError } from '../../base/errors.ts'
import { checkVectorizer } from './check-declaration.ts'
import { defineVectorizer } from './declaration.ts'
import { readDeclaration, readDeclarationFile } from './read-declaration.ts'

/** The lines that are told of a text. */
function problems(text: string): string[] {
  try {
    readDeclaration(text, 'windlass.yaml')
  } catch (error) {
    if (!isWindlassError(error, 'invalid')) throw error
    return error.message.split('\n')
  }
  throw new Error('nothing was found wrong')
}

const vectorizer = (rest: string) => `version: 1
vectorizers:
  - name: docs
    source: { type: folder, path: . }
    destinations: [{ type: collection, name: docs }]
${rest}`

describe('readDeclaration', () => {
  test('fills in every default', () => {
    const { vectorizers } = readDeclaration(vectorizer(''), 'windlass.yaml')
    expect(vectorizers).toEqual([
      {
        name: 'docs',
        source: { type: 'folder', path: '.' },
        parsing: {},
        chunking: { method: 'structure', tokens: 256, overlap: 32 },
        embedding: { provider: 'static' },
        destinations: [{ type: 'collection', name: 'docs' }],
        schedule: { every: '5m' },
        processing: { claimFiles: 32, attempts: 6, retryAfter: '1m', workerTimeout: '30s', deleteMissing: true },
      },
    ])
  })

  test('anchors, merge keys and JSON are understood', () => {
    const anchored = `version: 1
vectorizers:
  - { name: a, source: &docs { type: folder, path: docs }, destinations: &to [{ type: collection, name: x }] }
  - { name: b, source: { <<: *docs, hidden: true }, destinations: *to }`
    expect(readDeclaration(anchored, 'w.yaml').vectorizers[1]!.source).toEqual({ type: 'folder', path: 'docs', hidden: true })
    const json = JSON.stringify({ version: 1, vectorizers: [{ name: 'a', source: { type: 'git' }, destinations: [{ type: 'collection', name: 'x' }] }] })
    expect(readDeclaration(`\uFEFF${json}`, 'w.json').vectorizers[0]!.source).toEqual({ type: 'git', path: '.', ref: 'HEAD' })
  })

  test('everything that is wrong is told at once, in the order of the text, with line, column and path', () => {
    const text = `version: 1
vectorizers:
  - name: Docs
    source: { type: foldr, path: . }
    chunking:
      tokns: 5
      tokens: many
    destinations: []
    schedul: {}`
    expect(problems(text)).toEqual([
      'windlass.yaml:3:11: vectorizers[0].name: expected up to 63 lower-case letters, digits, `-`, `_`, `.`, starting with a letter or digit, found "Docs"',
      'windlass.yaml:4:21: vectorizers[0].source.type: expected "s3", "folder", "git", "urls", "postgres", found "foldr": did you mean folder?',
      'windlass.yaml:6:7: vectorizers[0].chunking.tokns: unknown key: did you mean tokens?',
      'windlass.yaml:7:15: vectorizers[0].chunking.tokens: expected a number, found "many"',
      'windlass.yaml:8:19: vectorizers[0].destinations: expected at least 1 of them, found an empty list',
      'windlass.yaml:9:5: vectorizers[0].schedul: unknown key: did you mean schedule?',
    ])
  })

  test('what is missing is told where it belongs', () => {
    expect(problems('vectorizers: [{ name: a }]')).toEqual([
      'windlass.yaml:1:1: version: expected 1, found nothing',
      expect.stringMatching(/^windlass.yaml:1:15: vectorizers\[0\].source: expected .*found nothing/),
      'windlass.yaml:1:15: vectorizers[0].destinations: expected a list, found nothing',
    ])
    expect(problems('')).toEqual(['windlass.yaml:1:1: expected a mapping, found nothing'])
  })

  test.each([
    ['keys twice', vectorizer('version: 1'), 'windlass.yaml:6:1: map keys must be unique'],
    ['tags that run code', vectorizer('bucket: !!js/function "return 1"'), /^windlass.yaml:6:9: unresolved tag/],
    ['more than one document', `${vectorizer('')}\n---\nversion: 1`, /multiple documents/],
    ['broken YAML', 'version: 1\nvectorizers: [', /^windlass.yaml:2:\d+: flow sequence/],
    ['aliases that explode', `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`, /alias/i],
    ['names twice', `${vectorizer('')}  - { name: docs, source: { type: git }, destinations: [{ type: collection, name: x }] }`, /^windlass.yaml:6:13: vectorizers\[1\].name: "docs" is the name of vectorizers\[0\] already/],
    ['an overlap as long as a chunk', vectorizer('    chunking: { tokens: 64, overlap: 64 }'), 'windlass.yaml:6:38: vectorizers[0].chunking.overlap: overlap is 64 and tokens is 64: the overlap must be less than a chunk'],
    ['a chunk shorter than the default overlap', vectorizer('    chunking: { tokens: 32 }'), /chunking.tokens: overlap is 32 and tokens is 32/],
    ['patterns that match nothing', vectorizer('').replace('path: .', 'path: ., include: ["[a"]'), /source.include\[0\]: "\[a" is no pattern: missing closing/],
    ['a source of URLs without any', vectorizer('').replace('{ type: folder, path: . }', '{ type: urls }'), /vectorizers\[0\].source: expected urls, sitemap or both, found neither/],
    ['half a pair of credentials', vectorizer('').replace('{ type: folder, path: . }', '{ type: s3, url: s3://b, accessKeyIdVariable: ID }'), /set both, or neither/],
    ['one destination twice', vectorizer('').replace('[{ type: collection, name: docs }]', '[{ type: collection, name: docs }, { type: collection, name: docs }]'), /destinations\[1\]: is the same as destinations\[0\]/],
    ["an overlap that OpenAI refuses", vectorizer('').replace('{ type: collection, name: docs }', '{ type: openai, vectorStore: vs_1, chunking: { maxTokens: 100, overlapTokens: 51 } }'), /at most half of maxTokens: 50/],
    ['a metadata value that is none', vectorizer('    metadata: { a: [1] }'), /metadata.a: expected a text, a number, true or false, found a list of 1/],
  ])('%s are refused', (_, text, expected) => {
    const told = problems(text)
    expect(told).toHaveLength(1)
    expect(told[0]).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected))
  })

  test('at most 20 problems are told, and how many more there are', () => {
    const told = problems(`version: 1\nvectorizers: [${'{}, '.repeat(10)}]`)
    expect(told).toHaveLength(21)
    expect(told[20]).toBe('and 10 more')
  })
})

describe('secrets', () => {
  const openai = (key: string) => vectorizer(`    embedding: { provider: openai, model: m, apiKeyVariable: "${key}" }`)

  test.each(['sk-proj-abcdefgh12345678', 'AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789', 'tsec_abcdefghijklmnopqrstuvwxyz'])('%s in place of a name is refused, once, and not shown', (secret) => {
    const told = problems(openai(secret))
    expect(told).toEqual([expect.stringMatching(/apiKeyVariable: looks like a secret: put it in an environment variable, and the name of that here/)])
    expect(told.join()).not.toContain(secret)
  })

  test('are found wherever they stand, and what stands in place of a name is never shown', () => {
    expect(problems(`bucket: https://user:password1@host\n${vectorizer('')}`).join()).toMatch(/^windlass.yaml:1:9: bucket: looks like a secret(?!.*password1)/s)
    expect(problems(openai('my password!')).join()).toMatch(/^((?!my password).)*$/s)
    expect(problems('version: 1\napiKey: sk-abcdefghijklmnop: b').join()).not.toContain('sk-abc')
  })

  test('names of variables are none', () => {
    for (const name of ['OPENAI_API_KEY', 'TIGRIS_SECRET_ACCESS_KEY', 'A_NAME_OF_FORTY_CHARACTERS_IN_CAPITALS_1']) expect(() => readDeclaration(openai(name), 'w')).not.toThrow()
  })
})

describe('readDeclarationFile', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'windlass-declaration-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const one = { name: 'a', source: { type: 'git' }, destinations: [{ type: 'collection', name: 'x' }] }

  test('finds the one that is there, and refuses to choose between two', async () => {
    await expect(readDeclarationFile(undefined, { folder })).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining(folder) })
    writeFileSync(join(folder, 'windlass.yml'), vectorizer(''))
    expect(await readDeclarationFile(undefined, { folder })).toMatchObject({ path: join(folder, 'windlass.yml'), folder, declaration: { vectorizers: [{ name: 'docs' }] } })
    writeFileSync(join(folder, 'windlass.json'), '{}')
    await expect(readDeclarationFile(undefined, { folder })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('windlass.yml and windlass.json') })
    await expect(readDeclarationFile('none.yaml', { folder })).rejects.toMatchObject({ kind: 'not-found' })
  })

  test.each([
    ['a declaration', { version: 1, vectorizers: [one] }],
    ['a vectorizer', one],
    ['a list of vectorizers', [one]],
  ])('a module exports %s', async (_, value) => {
    writeFileSync(join(folder, 'windlass.config.mjs'), `export default ${JSON.stringify(value)}`)
    expect((await readDeclarationFile(undefined, { folder })).declaration.vectorizers).toHaveLength(1)
  })

  test('a module without a default export, or that throws, is named', async () => {
    writeFileSync(join(folder, 'windlass.config.mjs'), 'export const a = 1')
    await expect(readDeclarationFile(undefined, { folder })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('no default export') })
    writeFileSync(join(folder, 'other.mjs'), 'throw new Error("broken")')
    await expect(readDeclarationFile('other.mjs', { folder })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/other.mjs cannot be loaded: broken/) })
  })

  // With what Vitest does to imports, a process of its own is the only honest test.
  test('TypeScript is loaded where the process can', () => {
    writeFileSync(join(folder, 'windlass.config.ts'), `const v: object = ${JSON.stringify(one)}\nexport default v`)
    const script = `import { readDeclarationFile } from ${JSON.stringify(join(import.meta.dirname, 'read-declaration.ts'))}
      console.log((await readDeclarationFile(undefined, { folder: ${JSON.stringify(folder)} })).declaration.vectorizers[0].name)`
    writeFileSync(join(folder, 'run.mts'), script)
    const ran = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), join(folder, 'run.mts')], { encoding: 'utf8' })
    expect(ran.stderr + ran.stdout).toBe('a\n')
  })
})

test('the example of the documentation is a declaration, and its defaults are the defaults', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/vectorizer.md'), 'utf8')
  const { vectorizers } = readDeclaration(/```yaml\n(.*?)```/s.exec(page)![1]!, 'docs/vectorizer.md')
  const plain = checkVectorizer({ name: 'handbook', source: { type: 'git', path: 'docs', exclude: ['drafts'] }, destinations: [{ type: 'collection', name: 'handbook' }] })
  expect(vectorizers[0]).toEqual(plain)
  expect(vectorizers).toHaveLength(2)
})

test('a vectorizer that a program declares is checked alike', () => {
  const declared = defineVectorizer({ name: 'a', source: { type: 'folder', path: '.' }, destinations: [{ type: 'collection', name: 'x' }] })
  expect(checkVectorizer(declared).chunking.tokens).toBe(256)
  expect(() => checkVectorizer({ ...declared, chunking: { tokens: 20, overlap: 20 } })).toThrow(/^vectorizer: vectorizers\[0\].chunking.overlap/)
})
