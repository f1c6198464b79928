// Unmodified clients of the hub against /hf: huggingface_hub where WINDLASS_TEST_PYTHON names a Python with it, transformers.js where it is
// installed and WINDLASS_SHARED has weights; skipped by name elsewhere.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../http/testing.ts'
import { runBeside } from '../process/processes.ts'
import { ModelWorld, s3Settings, testBytes } from './testing.ts'

const python = process.env.WINDLASS_TEST_PYTHON
const folder = join(process.env.WINDLASS_SHARED ?? join(import.meta.dirname, '../../../shared'), 'models/all-MiniLM-L6-v2')
const peer = (() => {
  try {
    return createRequire(import.meta.url).resolve('@huggingface/transformers')
  } catch {
    return null
  }
})()
const run = promisify(execFile)
const script = join(import.meta.dirname, 'hub_clients.py')
const files = { 'config.json': Buffer.from('{"a": 1}'), 'README.md': Buffer.from('read me'), 'onnx/model.onnx': testBytes(9_000_000) }

let world: ModelWorld
let server: TestServer
beforeEach(async () => {
  world = await ModelWorld.start()
  server = await startTestServer({ bucket: world.bucketUrl, ...s3Settings, 'model-cache': join(world.folder, 'disk'), 'hf-endpoint': world.hub.url, 'hf-token': world.hub.strangerToken })
})
afterEach(async () => {
  await server.stop()
  await world.end()
})

const expectTold = (stdout: string, commit: string) =>
  expect(JSON.parse(stdout)).toEqual({
    size: 9_000_000,
    commit,
    again: true,
    snapshot: ['config.json', 'onnx/model.onnx'],
    sha: commit,
    files: ['README.md', 'config.json', 'onnx/model.onnx'],
    tree: ['README.md', 'config.json', 'onnx', 'onnx/model.onnx'],
    paths: [8],
    exists: [true, false],
    errors: ['expected', 'expected', 'expected', 'expected'],
  })

test.skipIf(!python)(`huggingface_hub downloads, lists and explains what is wrong${python ? '' : ' (skipped: WINDLASS_TEST_PYTHON is not set)'}`, async () => {
  const commit = world.hub.publish('o/m', { files })
  world.hub.publish('o/gated', { files, gated: true })
  const env = { ...process.env, HF_ENDPOINT: `${server.url}/hf`, HF_HOME: join(world.folder, 'home'), HF_HUB_DISABLE_PROGRESS_BARS: '1', HF_HUB_DISABLE_TELEMETRY: '1' }
  expectTold((await run(python!, [script, 'o/m', 'o/gated'], { env })).stdout, commit)
  expect(world.hub.downloads('model.onnx')).toBe(1)
  // A program that is run with its models from the bucket: no hub, no token, nothing of it stays.
  const beside = await runBeside(['run', '--', python!, script, 'o/m', 'o/gated'], { WINDLASS_BUCKET: world.bucketUrl, WINDLASS_HF_ENDPOINT: world.hub.url, HF_TOKEN: world.hub.strangerToken, WINDLASS_SCRATCH: world.folder, HF_HUB_DISABLE_PROGRESS_BARS: '1' })
  expect(beside.status, beside.stderr).toBe(0)
  expectTold(beside.stdout, commit)
  expect(world.hub.downloads('model.onnx')).toBe(1)
}, 120_000)

const why = !existsSync(folder) ? ' (skipped: WINDLASS_SHARED has no models)' : peer === null ? ' (skipped: @huggingface/transformers is not installed)' : ''
test.skipIf(why !== '')(`transformers.js takes a model from the server${why}`, async () => {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.(json|txt|onnx)$/.test(path))
  world.hub.publish('o/mini', { files: Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path))])) })
  const program = `
    const module = await import(${JSON.stringify(peer)})
    const { env, pipeline } = module.default ?? module
    env.remoteHost = process.argv[1]
    env.allowLocalModels = false
    env.cacheDir = process.argv[2]
    const extract = await pipeline('feature-extraction', 'o/mini', { dtype: 'q8' })
    const output = await extract('the quick brown fox', { pooling: 'mean', normalize: true })
    console.log(JSON.stringify({ dims: output.dims, length: Math.hypot(...output.data) }))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program, `${server.url}/hf/`, join(world.folder, 'cache')])
  const told = JSON.parse(stdout) as { dims: number[]; length: number }
  expect(told.dims).toEqual([1, 384])
  expect(told.length).toBeCloseTo(1, 4)
  expect(world.hub.downloads('model_quantized.onnx')).toBe(1)
  expect(world.hub.downloads('model_fp16.onnx')).toBe(0)
}, 120_000)
