// Compiles src/kernels/assembly (AssemblyScript) into src/kernels/kernels-wasm.ts, when that is missing or older than its sources.
// The module travels as base64 in a source file: every bundler, browser and runtime can import it, without a path or a fetch.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(new URL('.', import.meta.url).pathname, '..')
const sources = join(root, 'src/kernels/assembly')
const target = join(root, 'src/kernels/kernels-wasm.ts')

export default async function buildKernels() {
  const paths = [...readdirSync(sources).map((name) => join(sources, name)), new URL(import.meta.url).pathname]
  const newest = Math.max(...paths.map((path) => statSync(path).mtimeMs))
  if (existsSync(target) && statSync(target).mtimeMs >= newest) return
  const { default: asc } = await import('assemblyscript/asc')
  const scratch = mkdtempSync(join(tmpdir(), 'windlass-kernels-'))
  try {
    const binary = join(scratch, 'kernels.wasm')
    const { error, stderr } = await asc.main([
      join(sources, 'index.ts'),
      ...['--outFile', binary, '--runtime', 'stub', '--enable', 'simd', '-O3', '--converge', '--noAssert', '--zeroFilledMemory'],
      ...['--use', 'abort=', '--initialMemory', '1', '--baseDir', '/'],
    ])
    if (error) throw new Error(`cannot compile the kernels: ${error.message}\n${stderr.toString()}`)
    const base64 = readFileSync(binary).toString('base64')
    const text = `// Made by scripts/build-kernels.mjs from assembly/; not in git.\n/** kernels.wasm, in base64. */\nexport const kernelsWasm =\n  '${base64}'\n`
    mkdirSync(join(root, 'src/kernels'), { recursive: true })
    // Renamed into place: two processes may build at once.
    const partial = `${target}.${process.pid}`
    writeFileSync(partial, text)
    renameSync(partial, target)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

if (process.argv[1]?.endsWith('build-kernels.mjs')) await buildKernels()
