// Bundles the Lambda handler into one file: node scripts/build-lambda.mjs [folder]. The folder is what is uploaded, once it has a
// windlass.yaml; --model puts the built-in model into it too.
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** @returns {Promise<{ path: string, bytes: number }>} The bundle: `dist/lambda/index.mjs`, as deep in the folder as the model is looked for from. */
export async function buildLambda(folder, { withModel = false } = {}) {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const path = join(folder, 'dist/lambda/index.mjs')
  mkdirSync(dirname(path), { recursive: true })
  const { metafile } = await build({
    entryPoints: [join(root, 'src/lambda/index.ts')],
    outfile: path,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    metafile: true,
    logLevel: 'error',
    // Loaded only where a declaration asks for them: install them beside the bundle.
    external: Object.keys(peerDependencies),
    // Some of what is bundled is CommonJS.
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
  })
  if (withModel) cpSync(join(root, 'models/static-384'), join(folder, 'models/static-384'), { recursive: true })
  return { path, bytes: Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0), metafile }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv.slice(2).find((word) => !word.startsWith('--')) ?? 'function'
  const { path, bytes } = await buildLambda(folder, { withModel: process.argv.includes('--model') })
  console.log(`${path}: ${(bytes / 1e6).toFixed(2)} MB`)
}
