// Bundles console/ into dist/console: hashed names, and beside every file what gzip and brotli make of it. With --force always, else only
// when something in console/ is newer than what was built.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const source = join(root, 'console')

/** @param target Replaced as a whole, in one step. */
export default async function buildConsole(target = join(root, 'dist/console'), { isForced = false } = {}) {
  const built = join(target, 'index.html')
  const paths = [...readdirSync(source, { recursive: true }).map((path) => join(source, path)), new URL(import.meta.url).pathname]
  const newest = Math.max(...paths.map((path) => statSync(path).mtimeMs))
  if (!isForced && existsSync(built) && statSync(built).mtimeMs >= newest) return
  const { build } = await import('esbuild')
  mkdirSync(dirname(target), { recursive: true })
  // Beside the target: renamed into place, so that a server never finds half of it.
  const stage = mkdtempSync(`${target}.`)
  try {
    const { metafile } = await build({
      entryPoints: { console: join(source, 'main.tsx'), style: join(source, 'style.css') },
      outdir: join(stage, 'assets'),
      absWorkingDir: root,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      jsx: 'automatic',
      jsxImportSource: 'preact',
      minify: true,
      legalComments: 'none',
      entryNames: '[name]-[hash]',
      chunkNames: '[name]-[hash]',
      metafile: true,
      logLevel: 'warning',
    })
    const outputs = Object.entries(metafile.outputs)
    const outputOf = (name) => outputs.find(([, { entryPoint }]) => entryPoint === `console/${name}`)[0].split('/').pop()
    const html = readFileSync(join(source, 'index.html'), 'utf8').replace('{{script}}', `assets/${outputOf('main.tsx')}`).replace('{{style}}', `assets/${outputOf('style.css')}`)
    writeFileSync(join(stage, 'index.html'), html)
    const files = ['index.html', ...readdirSync(join(stage, 'assets')).map((name) => `assets/${name}`)]
    const entries = {}
    for (const path of files) {
      const bytes = readFileSync(join(stage, path))
      writeFileSync(join(stage, `${path}.gz`), gzipSync(bytes, { level: 9 }))
      writeFileSync(join(stage, `${path}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }))
      entries[path] = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
    }
    writeFileSync(join(stage, 'files.json'), `${JSON.stringify(entries, null, 2)}\n`)
    // Made for this user alone, as temporary folders are.
    chmodSync(stage, 0o755)
    rmSync(target, { recursive: true, force: true })
    renameSync(stage, target)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

if (process.argv[1]?.endsWith('build-console.mjs')) await buildConsole(undefined, { isForced: process.argv.includes('--force') })
