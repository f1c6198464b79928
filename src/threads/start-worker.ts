import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a thread of a module of this package.
 * @param path The module beside the one at `here`, without its ending, such as `./index-worker`.
 * @param here `import.meta.url` of who asks.
 */
export function startWorker(path: string, here: string, options: WorkerOptions = {}): Worker {
  if (!here.endsWith('.ts')) return new Worker(new URL(`${path}.js`, here), options)
  // Sources run through a loader, which a thread does not have by itself, and which `--import` does not give it in Node 20.
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api').replace(/\.cjs$/, '.mjs')).href
  const source = new URL(`${path}.ts`, here).href
  return new Worker(`import(${JSON.stringify(loader)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`, { ...options, eval: true })
}
