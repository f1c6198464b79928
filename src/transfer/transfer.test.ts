// Folders and buckets as they are: a directory, memory, and a small S3 server on a socket that fails as told.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { excludes } from './exclude.ts'
import { LocalFolder } from './local-folder.ts'
import { openRemote, refuseOverlap } from './open-remote.ts'
import { pull } from './pull.ts'
import { push } from './push.ts'
import type { Remote } from './remote.ts'
import { StoreRemote } from './store-remote.ts'
import { startS3, type TinyS3 } from './testing.ts'

const mebi = 1024 * 1024
let root: string
let s3: TinyS3
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'windlass-transfer-'))
  s3 = await startS3()
})
afterEach(async () => {
  await s3.close()
  await rm(root, { recursive: true, force: true })
})

// A pattern of a length that no part is a multiple of: cheap, and no two parts alike.
const bytes = (count: number, seed = 1) => Buffer.alloc(count, seededRandom(seed).bytes(65_537))
const options = { clock: systemClock }
const connect = (prefix = 'some/prefix') =>
  openRemote(`s3://bucket/${prefix}`, { endpoint: s3.url, accessKeyId: 'key', secretAccessKey: 'secret', requestsAtOnce: 40, clock: systemClock, random: systemRandom })

async function write(files: Record<string, Uint8Array | string>, at = 'near'): Promise<LocalFolder> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, at, path)), { recursive: true })
    await writeFile(join(root, at, path), content)
  }
  return new LocalFolder(join(root, at))
}

async function readAll(at: string): Promise<Record<string, string>> {
  const found = await readdir(join(root, at), { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const pairs = await Promise.all(files.map(async (path) => [path.slice(join(root, at).length + 1), hash(await readFile(path))] as const))
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const hash = (content: Uint8Array) => createHash('sha256').update(content).digest('hex').slice(0, 12)
const strange = 'a b+c&d <e> \'f\' "g" ü 日本 %41 #(1)!*.txt'

describe.each(['s3', 'memory'])('%s', (kind) => {
  const store = new MemoryStore()
  const remoteOf = (): Promise<Remote> => (kind === 's3' ? connect() : Promise.resolve(new StoreRemote(store)))

  test('what is pushed is pulled, byte for byte; neither is done twice', async () => {
    const near = await write({ 'a.md': '# a', 'deep/er/b.bin': bytes(100_000), empty: '', [strange]: 'odd', 'large.bin': bytes(20 * mebi + 5, 2) })
    await mkdir(join(root, 'near/nothing'))
    const remote = await remoteOf()
    expect(await push(near, remote, options)).toMatchObject({ transferred: 5, bytes: 100_006 + 20 * mebi + 5, unchanged: 0, failed: [] })
    expect(await push(near, remote, options)).toMatchObject({ transferred: 0, bytes: 0, unchanged: 5, failed: [] })
    const far = new LocalFolder(join(root, 'far'))
    expect(await pull(remote, far, options)).toMatchObject({ transferred: 5, unchanged: 0, failed: [] })
    expect(await readAll('far')).toEqual(await readAll('near'))
    expect(await pull(remote, far, options)).toMatchObject({ transferred: 0, unchanged: 5, failed: [] })
    expect(await push(near, remote, { ...options, all: true })).toMatchObject({ transferred: 5 })
    await remote.close()
  })

  test('a changed file of the same size is sent, alone; what is missing is deleted only when asked', async () => {
    const near = await write({ 'a.txt': 'one', 'b.txt': 'two', [strange]: 'odd', 'large.bin': bytes(9 * mebi) })
    const remote = await remoteOf()
    await push(near, remote, options)
    const changed = bytes(9 * mebi)
    changed[9 * mebi - 1]! ^= 1
    await write({ 'a.txt': 'eno', 'large.bin': changed })
    expect(await push(near, remote, options)).toMatchObject({ transferred: 2, unchanged: 2 })
    await rm(join(root, 'near/b.txt'))
    await rm(join(root, 'near', strange))
    await push(near, remote, options)
    await pull(remote, new LocalFolder(join(root, 'far')), options)
    expect(Object.keys(await readAll('far'))).toContain('b.txt')
    expect((await push(near, remote, { ...options, deleteMissing: true })).deleted).toBeGreaterThan(0)
    expect((await pull(remote, new LocalFolder(join(root, 'far')), { ...options, deleteMissing: true })).deleted).toBeGreaterThan(0)
    expect(await readAll('far')).toEqual(await readAll('near'))
    await remote.close()
  })
})

test('excluded files are left alone at both ends, also by a deletion', async () => {
  const isExcluded = excludes(['*.tmp\n# a comment\n\nnode_modules', 'drafts/**/*.md'])
  const near = await write({ 'a.md': 'a', 'x/b.tmp': 'b', 'x/node_modules/c/d.js': 'c', 'drafts/e/f.md': 'f', 'keep/drafts/g.md': 'g' })
  const remote = await connect()
  await push(await write({ 'far.tmp': 'stays', 'old.md': 'goes' }, 'other'), remote, options)
  expect(await push(near, remote, { ...options, isExcluded, deleteMissing: true })).toMatchObject({ transferred: 2, deleted: 1 })
  expect([...s3.objects.keys()].sort()).toEqual(['some/prefix/a.md', 'some/prefix/far.tmp', 'some/prefix/keep/drafts/g.md'])
  await pull(remote, new LocalFolder(join(root, 'far')), { ...options, isExcluded })
  expect(Object.keys(await readAll('far'))).toEqual(['a.md', 'keep/drafts/g.md'])
  expect(() => excludes(['[a'])).toThrow(/no pattern/)
})

test('an empty end never empties the other', async () => {
  await mkdir(join(root, 'near'))
  const remote = await connect()
  await push(await write({ 'a.md': 'a' }, 'full'), remote, options)
  await expect(push(new LocalFolder(join(root, 'near')), remote, { ...options, deleteMissing: true })).rejects.toMatchObject({ kind: 'invalid' })
  await expect(push(new LocalFolder(join(root, 'none')), remote, { ...options, deleteMissing: true })).rejects.toMatchObject({ kind: 'not-found' })
  await expect(pull(await connect('nothing'), new LocalFolder(join(root, 'full')), { ...options, deleteMissing: true })).rejects.toMatchObject({ kind: 'invalid' })
  expect(s3.objects.size).toBe(1)
  expect(Object.keys(await readAll('full'))).toEqual(['a.md'])
})

test('no key and no link leads out of the folder', async () => {
  const remote = await connect()
  for (const key of ['../up.txt', 'x/../../up.txt', '/abs.txt', 'a//b', 'link/in.txt', 'fine.txt', 'marker/']) s3.objects.set(`some/prefix/${key}`, Buffer.from('x'))
  await mkdir(join(root, 'outside'))
  await mkdir(join(root, 'far'))
  await symlink(join(root, 'outside'), join(root, 'far/link'))
  const report = await pull(remote, new LocalFolder(join(root, 'far')), options)
  expect(report.failed.map(({ path }) => path).sort()).toEqual(['../up.txt', '/abs.txt', 'a//b', 'link/in.txt', 'x/../../up.txt'])
  for (const { path, message } of report.failed) expect(message).toMatch(path === 'link/in.txt' ? /is a link to .* outside/ : /cannot be a file below/)
  expect(report.transferred).toBe(1)
  expect(Object.keys(await readAll(''))).toEqual(['far/fine.txt'])
  // And on the way there: links to what lies inside are followed, others passed over.
  await writeFile(join(root, 'outside/secret'), 'secret')
  await symlink(join(root, 'outside/secret'), join(root, 'far/secret'))
  await symlink('fine.txt', join(root, 'far/inside'))
  const other = await connect('second')
  expect(await push(new LocalFolder(join(root, 'far')), other, options)).toMatchObject({ transferred: 2, skipped: 2 })
  expect([...s3.objects.keys()].filter((key) => key.startsWith('second/')).sort()).toEqual(['second/fine.txt', 'second/inside'])
})

test('one file that fails does not stop the others, and leaves no part of itself', async () => {
  const near = await write({ 'a.txt': 'a', 'bad.txt': 'b', 'c.txt': 'c' })
  const remote = await connect()
  s3.behave = ({ method, key }) => (key.endsWith('bad.txt') && method !== 'GET' ? 403 : key.endsWith('c.txt') && method === 'GET' ? 403 : undefined)
  const pushed = await push(near, remote, options)
  expect(pushed).toMatchObject({ transferred: 2, failed: [{ path: 'bad.txt', message: expect.stringContaining('s3:PutObject') as string }] })
  const pulled = await pull(remote, new LocalFolder(join(root, 'far')), options)
  expect(pulled).toMatchObject({ transferred: 1, failed: [{ path: 'c.txt' }] })
  expect(Object.keys(await readAll('far'))).toEqual(['a.txt'])
})

test.each(['503', '500', 'cut', 'short'])('a store that fails now and then (%s) loses nothing', async (how) => {
  const near = await write(Object.fromEntries([...Array.from({ length: 30 }, (_, i) => [`f${i}`, bytes(500 + i, i)] as const), ['large', bytes(17 * mebi)] as const]))
  const remote = await connect()
  const random = seededRandom(3)
  s3.behave = () => (random.next() < 0.2 ? (/\d/.test(how) ? Number(how) : (how as 'cut')) : undefined)
  expect(await push(near, remote, options)).toMatchObject({ transferred: 31, failed: [] })
  expect(await pull(remote, new LocalFolder(join(root, 'far')), options)).toMatchObject({ transferred: 31, failed: [] })
  expect(await readAll('far')).toEqual(await readAll('near'))
  expect(s3.uploads.size).toBe(0)
})

test('a completion whose answer was lost has completed', async () => {
  const near = await write({ large: bytes(9 * mebi) })
  const remote = await connect()
  let isLost = false
  s3.behave = ({ method, query }) => {
    if (method !== 'POST' || !query.has('uploadId') || isLost) return undefined
    isLost = true
    return 'done-but-cut'
  }
  expect(await push(near, remote, options)).toMatchObject({ transferred: 1, failed: [] })
  expect(isLost).toBe(true)
})

test('an upload that fails is aborted; the object is as it was', async () => {
  const remote = await connect()
  s3.objects.set('some/prefix/large', Buffer.from('before'))
  s3.behave = ({ query }) => (query.get('partNumber') === '2' ? 403 : undefined)
  expect((await push(await write({ large: bytes(9 * mebi) }), remote, options)).failed).toHaveLength(1)
  expect(s3.uploads.size).toBe(0)
  expect(s3.objects.get('some/prefix/large')!.toString()).toBe('before')
})

test('parts of an object that is replaced while it is read are of one version', async () => {
  const remote = await connect()
  const [before, after] = [Buffer.from(bytes(30 * mebi)), Buffer.from(bytes(30 * mebi, 9))]
  s3.objects.set('some/prefix/large', before)
  let reads = 0
  s3.behave = ({ method, key }) => {
    if (method === 'GET' && key.endsWith('large') && ++reads === 3) s3.objects.set('some/prefix/large', after)
    return undefined
  }
  expect(await pull(remote, new LocalFolder(join(root, 'far')), options)).toMatchObject({ transferred: 1 })
  expect((await readAll('far')).large).toBe(hash(after))
})

test('a store that does not read ranges is told, not taken for one that does', async () => {
  s3.objects.set('some/prefix/large', Buffer.from(bytes(20 * mebi)))
  s3.behave = () => 'whole'
  const { failed } = await pull(await connect(), new LocalFolder(join(root, 'far')), options)
  expect(failed).toMatchObject([{ path: 'large', message: expect.stringContaining('does not read ranges') as string }])
  expect(await readAll('far')).toEqual({})
})

test('what every file would meet ends the transfer, and says what to do', async () => {
  const near = await write({ a: 'a', b: 'b' })
  s3.behave = () => ({ status: 403, code: 'InvalidAccessKeyId' })
  await expect(push(near, await connect(), options)).rejects.toMatchObject({ kind: 'unauthenticated' })
  s3.behave = () => ({ status: 404, code: 'NoSuchBucket' })
  await expect(push(near, await connect(), { ...options, all: true })).rejects.toMatchObject({ kind: 'not-found' })
})

// Where .ci/run has started one: keys, signatures and etags as a real server has them.
const { WINDLASS_TEST_S3_ENDPOINT: endpoint, WINDLASS_TEST_S3_BUCKET: bucket, WINDLASS_TEST_S3_ACCESS_KEY: accessKeyId, WINDLASS_TEST_S3_SECRET_KEY: secretAccessKey } = process.env
test.skipIf(!endpoint || !bucket || !accessKeyId || !secretAccessKey)('a real server takes it, and gives it back', async () => {
  const near = await write({ 'a.md': '# a', [strange]: 'odd', 'x/large.bin': bytes(20 * mebi + 5, 2), empty: '' })
  const url = `${bucket}/transfer-${Buffer.from(systemRandom.bytes(8)).toString('hex')}`
  const remote = await openRemote(url, { endpoint: endpoint!, accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey!, requestsAtOnce: 40, clock: systemClock, random: systemRandom })
  expect(await push(near, remote, options)).toMatchObject({ transferred: 4, failed: [] })
  expect(await push(near, remote, options)).toMatchObject({ transferred: 0, unchanged: 4, failed: [] })
  expect(await pull(remote, new LocalFolder(join(root, 'far')), options)).toMatchObject({ transferred: 4, failed: [] })
  expect(await readAll('far')).toEqual(await readAll('near'))
  await rm(join(root, 'near', strange))
  expect(await push(near, remote, { ...options, deleteMissing: true })).toMatchObject({ deleted: 1 })
  await remote.delete(['a.md', 'x/large.bin', 'empty'])
  await remote.close()
})

test('a bucket that is a folder is not put into itself', () => {
  expect(() => refuseOverlap('file:./docs/bucket', './docs')).toThrow(/one in the other/)
  expect(() => refuseOverlap('file:./bucket', './docs')).not.toThrow()
  expect(() => refuseOverlap('s3://docs/x', './docs')).not.toThrow()
})
