import { build } from 'esbuild'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { runHistory } from './history.ts'

/** One change of a source file: `find` must be there exactly once. */
export interface Edit {
  /** Relative to the repository's root. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Simulation {
  readonly runHistory: typeof runHistory
}

const root = join(import.meta.dirname, '../..')

/**
 * The simulation with everything it runs, the engine included, in one module text; `edits` change the sources on the way.
 * @throws when an edit's file is not part of it, or its `find` is not there exactly once: the source has changed, the mutant must follow.
 */
export async function bundle(entry: string, edits: readonly Edit[] = []): Promise<string> {
  const applied = new Set<string>()
  const result = await build({
    entryPoints: [join(import.meta.dirname, entry)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    plugins: [
      {
        name: 'edits',
        setup({ onLoad }) {
          for (const file of new Set(edits.map((edit) => edit.file))) {
            const path = join(root, file)
            onLoad({ filter: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) }, async () => {
              applied.add(file)
              return { contents: await editFile(path, edits.filter((edit) => edit.file === file)), loader: 'ts' }
            })
          }
        },
      },
    ],
  })
  for (const { file } of edits) if (!applied.has(file)) throw new Error(`${file} is no part of the simulation: the mutant changes nothing`)
  return result.outputFiles[0]!.text
}

/** Bundles the simulation with `edits` and loads it, beside any other. */
export async function loadSimulation(edits: readonly Edit[] = []): Promise<Simulation> {
  const text = await bundle('history.ts', edits)
  const folder = await mkdtemp(join(tmpdir(), 'windlass-simulation-'))
  try {
    const path = join(folder, 'simulation.mjs')
    await writeFile(path, text)
    return (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Simulation
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function editFile(path: string, edits: readonly Edit[]): Promise<string> {
  let text = await readFile(path, 'utf8')
  for (const { file, find, replace } of edits) {
    const count = text.split(find).length - 1
    if (count !== 1) throw new Error(`${file} holds ${JSON.stringify(find)} ${count} times, expected once: bring the mutant up to date`)
    text = text.replace(find, () => replace)
  }
  return text
}
