import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runBeside } from '../process/processes.ts'
import { bytesOf, ModelWorld, testBytes } from './testing.ts'

const files = { 'config.json': Buffer.from('{"a": 1}'), 'onnx/model.onnx': testBytes(300_000) }
let world: ModelWorld
beforeEach(async () => void (world = await ModelWorld.start()))
afterEach(() => world.end())

const windlass = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runBeside(args, { WINDLASS_BUCKET: world.bucketUrl, WINDLASS_MODEL_CACHE: join(world.folder, 'disk'), HF_ENDPOINT: world.hub.url, HF_TOKEN: '', HF_HUB_OFFLINE: '', WINDLASS_SCRATCH: world.folder, ...env })

test('pull, ls, verify, rm: a model from the hub and back to nothing', async () => {
  world.hub.publish('o/m', { files })
  const pulled = await windlass(['models', 'pull', 'o/m', '--json'])
  expect(pulled.stderr).toBe('')
  expect(JSON.parse(pulled.stdout)).toMatchObject({ repository: 'o/m', fetchedFiles: { hub: 2, bucket: 0, disk: 0 }, fetchedBytes: { hub: 300_008 } })
  expect(JSON.parse((await windlass(['models', 'ls', '--json'])).stdout)).toMatchObject([{ repository: 'o/m', revisions: ['main'], filesTotal: 2, filesInBucket: 2, bytesInBucket: 300_008, bytesOnDisk: 300_008, origin: world.hub.url }])
  expect((await windlass(['models', 'verify'])).stdout).toBe('2 files, 300.0 kB: all as they should be\n')

  await world.changeBlob(files['onnx/model.onnx'], (bytes) => bytes.fill(0, 10, 20))
  const damaged = await windlass(['models', 'verify'])
  expect([damaged.status, damaged.stdout]).toEqual([8, expect.stringMatching(/^o\/m\/onnx\/model\.onnx: .*is damaged between byte 0 and 300000/)])
  const repaired = await windlass(['models', 'verify', 'o/m', '--repair'])
  expect([repaired.status, repaired.stdout]).toEqual([0, expect.stringMatching(/\(repaired\)/)])
  expect((await windlass(['models', 'verify'])).status).toBe(0)

  expect((await windlass(['models', 'rm', 'o/m'])).stdout).toMatch(/^o\/m: 2 files removed/)
  expect((await windlass(['models', 'ls'])).stdout).toBe('no models\n')
  expect(readdirSync(join(world.folder, 'disk/blobs'))).toEqual([])
  expect((await windlass(['models', 'rm', 'o/m'])).status).toBe(4)
}, 120_000)

test('pull into the bucket only leaves nothing on the disk; prune frees the disk', async () => {
  world.hub.publish('o/m', { files })
  expect((await windlass(['models', 'pull', 'o/m', '--no-disk', '--include', '*.json'])).status).toBe(0)
  expect(world.hub.downloads('model.onnx')).toBe(0)
  expect((await windlass(['models', 'pull', 'o/m', '--no-disk'])).status).toBe(0)
  expect(existsSync(join(world.folder, 'disk'))).toBe(false)
  expect(JSON.parse((await windlass(['models', 'ls', '--json'])).stdout)).toMatchObject([{ filesInBucket: 2, bytesOnDisk: 0 }])
  expect((await windlass(['models', 'pull', 'o/m'], { HF_HUB_OFFLINE: '1' })).status).toBe(0)
  expect((await windlass(['models', 'prune'])).stdout).toMatch(/^300\.0 kB freed on this disk, 0 objects/)
}, 120_000)

test('a folder is pushed, and read by any machine without a hub; what two models share stays until both are gone', async () => {
  const folder = join(world.folder, 'mine')
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, path), bytes)
  writeFileSync(join(folder, '.secret'), 'x')
  expect((await windlass(['models', 'push', folder, 'own/model@v1'])).stdout).toMatch(/^own\/model@v1 at [0-9a-f]{12}: 2 files, 300\.0 kB/)
  expect((await windlass(['models', 'push', folder, 'own/copy'])).status).toBe(0)
  expect((await windlass(['models', 'rm', 'own/copy'])).stdout).toMatch(/0 files removed/)
  const store = await world.open('other', { hub: null })
  const manifest = await store.resolve('own/model@v1')
  expect((await bytesOf(store.read(manifest, 'onnx/model.onnx'))).equals(files['onnx/model.onnx'])).toBe(true)
  expect(world.hub.journal).toEqual([])
}, 120_000)

test('a program is run with caches in scratch and a hub that is the bucket; its status is ours, and nothing stays', async () => {
  world.hub.publish('o/m', { files })
  const program = `
    const { HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, TORCH_HOME, PYANNOTE_CACHE, TRANSFORMERS_CACHE, HF_TOKEN } = process.env
    const response = await fetch(HF_ENDPOINT + '/o/m/resolve/main/onnx/model.onnx')
    const bytes = await response.arrayBuffer()
    console.log(JSON.stringify({ size: bytes.byteLength, folders: [HF_HOME, HF_HUB_CACHE, TORCH_HOME, PYANNOTE_CACHE, TRANSFORMERS_CACHE], HF_TOKEN }))
    process.exit(7)`
  const first = await windlass(['run', '--', 'node', '--input-type=module', '-e', program], { HF_TOKEN: 'hf_double_with_access' })
  expect([first.status, first.stderr]).toEqual([7, ''])
  const told = JSON.parse(first.stdout) as { size: number; folders: string[]; HF_TOKEN: string }
  expect([told.size, told.HF_TOKEN]).toEqual([300_000, 'hf_windlass'])
  for (const folder of told.folders) expect(folder).toMatch(new RegExp(`^${world.folder}/windlass-run-`))
  expect(readdirSync(world.folder).filter((name) => name.startsWith('windlass-run-'))).toEqual([])
  expect((await windlass(['run', '--', 'node', '--input-type=module', '-e', program], { HF_HUB_OFFLINE: '1' })).status).toBe(7)
  expect(world.hub.downloads('model.onnx')).toBe(1)
  expect((await windlass(['run', '--', 'no-such-program'])).status).toBe(4)
}, 120_000)
