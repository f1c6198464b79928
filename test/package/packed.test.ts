// The package as npm would publish it, unpacked into a project that has nothing else of ours.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const project = mkdtempSync(join(tmpdir(), 'windlass-packed-'))
const installed = join(project, 'node_modules/windlass')
let packed: { files: { path: string; size: number }[]; size: number }
afterAll(() => rmSync(project, { recursive: true, force: true }))

beforeAll(() => {
  const out = join(project, 'out')
  // Built beside, not into dist: other tests and people may be using that.
  const stage = join(project, 'stage')
  mkdirSync(stage)
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), '--outDir', join(stage, 'dist')])
  execFileSync(process.execPath, ['-e', `import('${join(root, 'scripts/build-console.mjs')}').then((script) => script.default(process.argv[1], { isForced: true }))`, join(stage, 'dist/console')])
  execFileSync(process.execPath, ['-e', `import('${join(root, 'scripts/build-docs.mjs')}').then((script) => script.default(process.argv[1]))`, join(stage, 'dist/docs')])
  for (const path of ['package.json', 'models', 'README.md', 'LICENSE', 'CHANGELOG.md', 'env.example', 'templates', 'windlass.schema.json']) symlinkOrCopy(path, stage)
  mkdirSync(out)
  const [report] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], { cwd: stage, encoding: 'utf8', shell: process.platform === 'win32' })) as [typeof packed & { filename: string }]
  packed = report
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['xzf', join(out, report.filename), '-C', installed, '--strip-components=1'])
  // Its dependencies are those of the checkout, and only those that it declares.
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const name of Object.keys(dependencies)) {
    const target = join(project, 'node_modules', name)
    mkdirSync(join(target, '..'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), target)
  }
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
}, 300_000)

function symlinkOrCopy(path: string, stage: string): void {
  execFileSync('cp', ['-r', join(root, path), join(stage, path)])
}

test('holds what is needed, and no test, source or secret', () => {
  const paths = packed.files.map(({ path }) => path)
  for (const needed of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/testing/index.js', 'dist/console/index.html', 'dist/console/files.json', 'dist/docs/index.html', 'models/static-384/model.bin', 'README.md', 'LICENSE', 'env.example', 'templates/container/Dockerfile', 'templates/container/dockerignore', 'templates/sam/template.yaml', 'windlass.schema.json']) expect(paths).toContain(needed)
  expect(paths.filter((path) => /\.test\.|\.fuzz\.|\.bench\.|^src\/|^test\/|\.env$/.test(path))).toEqual([])
  expect(packed.size, 'a package that people wait for').toBeLessThan(14_000_000)
})

test('the library, the test kit and the command line run from it', () => {
  const script = `
    import { open } from 'windlass'
    import { testObjectStore } from 'windlass/testing'
    const bucket = await open('memory:')
    const docs = await bucket.createCollection('docs')
    await docs.index({ source: 'a.md', open: async function* () { yield new TextEncoder().encode('The windlass hauls the anchor.') } })
    console.log((await docs.search('lifting anchors'))[0].source, typeof testObjectStore)
    await bucket.close()`
  writeFileSync(join(project, 'use.mjs'), script)
  const library = spawnSync(process.execPath, ['use.mjs'], { cwd: project, encoding: 'utf8' })
  expect(library.stderr).toBe('')
  expect(library.stdout).toBe('a.md function\n')
  writeFileSync(join(project, 'note.md'), '# Note\n\nLanterns burn until morning.\n')
  const cli = (...args: string[]) => spawnSync(process.execPath, [join(installed, 'dist/cli/main.js'), ...args], { cwd: project, encoding: 'utf8' })
  expect(cli('--version').stdout.trim()).toBe((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version)
  expect(cli('index', 'note.md').stdout).toContain('1 new')
  expect(cli('search', 'lantern').stdout).toContain('note.md')
  expect(readdirSync(project)).toContain('.windlass')
})

test('every type that it exports can be resolved', () => {
  const script = `import { open, type Bucket, type Collection, type Passage } from 'windlass'
    export async function first(bucket: Bucket): Promise<Passage | undefined> {
      const collection: Collection = await bucket.collection('docs')
      return (await collection.search('x'))[0]
    }
    export const opened: Promise<Bucket> = open('memory:')`
  writeFileSync(join(project, 'use.ts'), script)
  const args = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'false', '--lib', 'es2023,dom', '--types', 'node', '--typeRoots', join(root, 'node_modules/@types'), 'use.ts']
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args], { cwd: project, encoding: 'utf8' })
  const ours = stdout.split('\n').filter((line) => line.includes('node_modules/windlass') || line.startsWith('use.ts'))
  expect(ours).toEqual([])
  expect(status === 0 || stdout !== '').toBe(true)
})
