// Bundles console/ into dist/console: hashed names, and beside every file what gzip and brotli make of it. With --force always, else only
// when something in console/ is newer than what was built.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAssets } from './write-assets.mjs'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const source = join(root, 'console')

/** @param target Replaced as a whole, in one step. */
export default async function buildConsole(target = join(root, 'dist/console'), { isForced = false } = {}) {
  const built = join(target, 'index.html')
  const paths = [...readdirSync(source, { recursive: true }).map((path) => join(source, path)), new URL(import.meta.url).pathname]
  const newest = Math.max(...paths.map((path) => statSync(path).mtimeMs))
  if (!isForced && existsSync(built) && statSync(built).mtimeMs >= newest) return
  const { build } = await import('esbuild')
  await writeAssets(target, async (stage) => {
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
    // What the first script asks for at once is fetched beside it, not after it.
    const preloads = outputs.find(([, { entryPoint }]) => entryPoint === 'console/main.tsx')[1].imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => `<link rel="modulepreload" href="assets/${path.split('/').pop()}" />`)
    const html = readFileSync(join(source, 'index.html'), 'utf8').replace('{{preloads}}', preloads.join('')).replace('{{script}}', `assets/${outputOf('main.tsx')}`).replace('{{style}}', `assets/${outputOf('style.css')}`)
    writeFileSync(join(stage, 'index.html'), html)
    return ['index.html', ...readdirSync(join(stage, 'assets')).map((name) => `assets/${name}`)]
  })
}

if (process.argv[1]?.endsWith('build-console.mjs')) await buildConsole(undefined, { isForced: process.argv.includes('--force') })
