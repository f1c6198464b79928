import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WindlassError } from '../../src/base/errors.ts'
import type { ModelEvent } from '../../src/models/context.ts'
import { sha256Of } from '../../src/models/content-check.ts'
import { WrappingStore } from '../../src/store/wrapping-store.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { bytesOf, ModelWorld, quickClock, testBytes } from './testing.ts'

const config = Buffer.from('{"hidden_size": 8}')
const weights = testBytes(300_000)
const files = { 'config.json': config, 'onnx/model.onnx': weights }

let world: ModelWorld
beforeEach(async () => void (world = await ModelWorld.start()))
afterEach(() => world.end())

const blobPath = (folder: string, bytes: Uint8Array) => join(folder, 'blobs', sha256Of(bytes))
const damage = (path: string) => {
  const bytes = readFileSync(path)
  bytes[100 % bytes.length]! ^= 1
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

describe('tiers', () => {
  test('the hub is asked once; afterwards the bucket serves any machine, without hub and token', async () => {
    world.hub.publish('o/m', { files, gated: true })
    const first = await world.open('a', { hub: { endpoint: world.hub.url, token: world.hub.token } })
    const model = await first.use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    expect(readFileSync(join(model.folder, 'config.json')).equals(config)).toBe(true)
    await first.close()
    const asked = world.hub.journal.length
    const events: ModelEvent[] = []
    const second = await world.open('b', {}, { onEvent: (event) => events.push(event) })
    const again = await second.use('o/m')
    expect(readFileSync(join(again.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    expect(world.hub.journal.length).toBe(asked)
    expect(events.map((event) => event.event === 'fetched' && event.tier)).toEqual(['bucket', 'bucket'])
    const third = await world.open('b', { hub: null }, { onEvent: (event) => events.push(event) })
    await third.use('o/m')
    expect(events.slice(2).map((event) => event.event === 'fetched' && event.tier)).toEqual(['disk', 'disk'])
  })

  test('a disk that has the model needs no bucket', async () => {
    world.hub.publish('o/m', { files })
    await (await (await world.open('a')).use('o/m')).release()
    const alone = await world.open('a', { bucket: `file:${join(world.folder, 'another')}`, hub: null })
    const model = await alone.use('o/m')
    expect(readFileSync(join(model.folder, 'config.json')).equals(config)).toBe(true)
  })

  test('a branch means what it meant until it is refreshed; a commit always does', async () => {
    const old = world.hub.publish('o/m', { files })
    const store = await world.open('a')
    await (await store.use('o/m')).release()
    await store.settled()
    const renewed = world.hub.publish('o/m', { files: { ...files, 'config.json': Buffer.from('{}') } })
    expect((await (await world.open('b')).resolve('o/m')).commit).toBe(old)
    expect((await store.resolve('o/m', { refresh: true })).commit).toBe(renewed)
    const later = await world.open('c')
    expect((await later.resolve('o/m')).commit).toBe(renewed)
    expect((await later.resolve(`o/m@${old}`)).commit).toBe(old)
    // The weights did not change: they are not fetched again.
    const before = world.hub.downloads('model.onnx')
    await later.use('o/m')
    expect(world.hub.downloads('model.onnx')).toBe(before)
  })

  test('files are chosen by pattern', async () => {
    world.hub.publish('o/m', { files })
    const store = await world.open('a')
    expect((await store.use('o/m', { include: ['*.json'] })).files).toEqual(['config.json'])
    expect(world.hub.downloads('model.onnx')).toBe(0)
    await expect(store.use('o/m', { include: ['*.bin'] })).rejects.toThrow(/no file like \*\.bin: it has 2, as config\.json/)
  })

  test('a bucket that may only be read is told about, and does not stop anybody', async () => {
    world.hub.publish('o/m', { files })
    const store = await world.open('a', {}, { wrap: (inner) => new ReadOnly(inner) })
    const model = await store.use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    await store.settled()
    expect((await store.state()).problems['bucket-write']).toMatch(/may not/)
    expect(await world.keys()).toEqual([])
  })

  test('without hub and bucket copy the message says what to do', async () => {
    const store = await world.open('a', { hub: null })
    await expect(store.use('o/m')).rejects.toThrow(/model o\/m@main is neither on this disk nor in \S+models.*HF_HUB_OFFLINE.*pull or push/)
  })
})

describe('the hub', () => {
  test('a cut download goes on where it was, and the token stays with the hub', async () => {
    world.hub.publish('o/m', { files })
    world.hub.plan(/GET cdn .*model\.onnx/, { cutAfter: 100_000 })
    world.hub.plan(/GET cdn .*model\.onnx/, { status: 503 })
    const store = await world.open('a', { hub: { endpoint: world.hub.url, token: world.hub.token } }, { clock: quickClock() })
    const model = await store.use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    const cdn = world.hub.journal.filter(({ host }) => host === 'cdn')
    expect(cdn.map(({ status }) => status)).toEqual([200, 503, 206])
    expect(Number(/\d+/.exec(cdn[2]!.range!)![0])).toBeGreaterThan(0)
    expect(cdn.every(({ authorization }) => authorization === undefined)).toBe(true)
    expect(world.hub.journal.filter(({ host }) => host === 'hub').every(({ authorization }) => authorization === `Bearer ${world.hub.token}`)).toBe(true)
  })

  test('what arrives damaged is refused, and reaches neither disk nor bucket', async () => {
    world.hub.publish('o/m', { files })
    world.hub.plan(/model\.onnx/, { corrupt: true }, 100)
    world.hub.plan(/config\.json/, { corrupt: true }, 100)
    const store = await world.open('a')
    for (const include of [['config.json'], ['onnx/*']]) {
      const refusal = await store.use('o/m', { include }).catch((error: unknown) => error as WindlassError)
      expect(refusal).toMatchObject({ kind: 'corrupt' })
    }
    await store.settled()
    expect(readdirSync(join(world.folder, 'a/blobs'))).toEqual([])
    expect(readdirSync(join(world.folder, 'a/partial'))).toEqual([])
    expect(await world.keys('blobs/')).toEqual([])
  })

  test.each([
    ['gated without a token', { gated: true }, undefined, 'unauthenticated', /is gated: accept its terms at .*\/o\/m, and set HF_TOKEN/],
    ['gated with a token without access', { gated: true }, 'stranger', 'denied', /the account of HF_TOKEN has no access yet: ask for it at/],
    ['private without a token', { private: true }, undefined, 'not-found', /is not on http.*, or is private: correct the name, or set HF_TOKEN/],
    ['private with a stranger\'s token', { private: true }, 'stranger', 'not-found', /is not on http/],
  ] as const)('%s', async (_, options, token, kind, message) => {
    world.hub.publish('o/m', { files, ...options })
    const store = await world.open('a', { hub: { endpoint: world.hub.url, ...(token && { token: world.hub.strangerToken }) } })
    const refusal = await store.use('o/m').catch((error: unknown) => error as WindlassError)
    expect(refusal).toMatchObject({ kind })
    expect((refusal as WindlassError).message).toMatch(message)
  })

  test('a revision that is not there is told apart from a model that is not', async () => {
    world.hub.publish('o/m', { files })
    const store = await world.open('a', { hub: { endpoint: world.hub.url, token: world.hub.token } })
    await expect(store.resolve('o/m@v9')).rejects.toThrow(/no revision v9/)
    await expect(store.resolve('o/other')).rejects.toThrow(/is not on http\S+: correct the name/)
  })

  test('throttling is waited for as long as the hub asks, an hour is not', async () => {
    world.hub.publish('o/m', { files })
    world.hub.plan(/GET hub \/api/, { status: 429, headers: { 'retry-after': '3' } }, 2)
    const clock = quickClock()
    const store = await world.open('a', {}, { clock })
    await store.resolve('o/m')
    expect(clock.sleeps.filter((ms) => ms >= 3000 && ms < 6000)).toHaveLength(2)
    world.hub.plan(/GET hub \/o/, { status: 429, headers: { 'retry-after': '3600' } })
    await expect(store.use('o/m')).rejects.toMatchObject({ kind: 'unavailable', details: { retryAfterMs: 3_600_000 } })
  })
})

describe('damage is found and healed from the next tier', () => {
  test('on the disk: from the bucket', async () => {
    world.hub.publish('o/m', { files })
    await (await (await world.open('a')).use('o/m')).release()
    await (await world.open('a')).settled()
    damage(blobPath(join(world.folder, 'a'), weights))
    const asked = world.hub.journal.length
    const model = await (await world.open('a')).use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    expect(world.hub.journal.length).toBe(asked)
  })

  test.each(['damaged', 'cut short'])('in the bucket, %s: from the hub, and the bucket is put right', async (how) => {
    world.hub.publish('o/m', { files })
    const first = await world.open('a')
    await first.use('o/m')
    await first.close()
    await world.changeBlob(weights, (bytes) => (how === 'damaged' ? bytes.fill(1, 100, 200) : bytes.subarray(0, 1000)))
    const offline = await world.open('b', { hub: null })
    await expect(offline.use('o/m')).rejects.toMatchObject({ kind: 'corrupt' })
    const store = await world.open('c')
    const model = await store.use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
    await store.settled()
    expect(world.hub.downloads('model.onnx')).toBe(2)
    expect((await store.state()).problems.damaged).toMatch(/blobs/)
    const healed = await (await world.open('d', { hub: null })).use('o/m')
    expect(readFileSync(join(healed.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
  })

  test('a file changed on the disk under a running process is not used again', async () => {
    world.hub.publish('o/m', { files })
    const store = await world.open('a')
    await (await store.use('o/m')).release()
    await store.settled()
    damage(blobPath(join(world.folder, 'a'), weights))
    const model = await store.use('o/m')
    expect(readFileSync(join(model.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
  })
})

describe('past the disk', () => {
  test('a disk that cannot be written: files are streamed from the bucket, which is filled first', async () => {
    world.hub.publish('o/m', { files })
    writeFileSync(join(world.folder, 'full'), 'a file where the folder should be')
    const store = await world.open('full')
    const manifest = await store.resolve('o/m')
    for (const [path, bytes] of Object.entries(files)) expect((await bytesOf(store.read(manifest, path))).equals(bytes)).toBe(true)
    expect((await bytesOf(store.read(manifest, 'onnx/model.onnx', { start: 1000, end: 250_000 }))).equals(weights.subarray(1000, 250_000))).toBe(true)
    expect(world.hub.downloads('model.onnx')).toBe(1)
    expect(await world.keys('blobs/')).toContain(`blobs/${sha256Of(weights)}`)
    await expect(store.use('o/m')).rejects.toThrow(/cannot be written: point WINDLASS_MODEL_CACHE/)
    expect((await store.state()).warnings[0]).toMatch(/cannot be written/)
  })

  test('a read-only disk that has the model serves it', async () => {
    world.hub.publish('o/m', { files })
    await (await (await world.open('a')).use('o/m')).release()
    // Root may write anywhere: a file where a folder is needed makes the disk as good as read-only.
    const folder = join(world.folder, 'a')
    rmSync(join(folder, 'partial'), { recursive: true })
    writeFileSync(join(folder, 'partial'), '')
    const store = await world.open('a', { bucket: null, hub: null })
    expect((await bytesOf(store.read(await store.resolve('o/m'), 'onnx/model.onnx'))).equals(weights)).toBe(true)
    expect((await store.state()).isWritable).toBe(false)
  })

  test('without disk and bucket the hub is streamed, and damage ends the stream before its end', async () => {
    world.hub.publish('o/m', { files })
    const store = await world.open(null, { bucket: null })
    const manifest = await store.resolve('o/m')
    expect((await bytesOf(store.read(manifest, 'onnx/model.onnx', { start: 5 }))).equals(weights.subarray(5))).toBe(true)
    world.hub.plan(/cdn/, { corrupt: true })
    let count = 0
    const reading = (async () => {
      for await (const bytes of store.read(manifest, 'onnx/model.onnx')) count += bytes.length
    })()
    await expect(reading).rejects.toMatchObject({ kind: 'corrupt' })
    expect(count).toBeLessThan(weights.length)
  })

  test('a file of many parts is read in ranges, each part checked', async () => {
    const large = testBytes(20_000_000)
    world.hub.publish('o/m', { files: { 'model.bin': large } })
    const first = await world.open('a')
    await first.use('o/m')
    await first.close()
    const store = await world.open(null, { hub: null })
    const manifest = await store.resolve('o/m')
    for (const [start, end] of [[0, 20_000_000], [8_388_607, 8_388_609], [19_999_999, 20_000_000], [5, 17_000_000]] as const) {
      expect((await bytesOf(store.read(manifest, 'model.bin', { start, end }))).equals(large.subarray(start, end)), `${start}-${end}`).toBe(true)
    }
    await world.changeBlob(large, (bytes) => {
      bytes[10_000_000]! ^= 1
      return bytes
    })
    expect((await bytesOf(store.read(manifest, 'model.bin', { start: 0, end: 8_000_000 }))).equals(large.subarray(0, 8_000_000))).toBe(true)
    await expect(bytesOf(store.read(manifest, 'model.bin', { start: 9_000_000, end: 9_000_001 }))).rejects.toThrow(/is damaged between byte 8388608 and 16777216/)
  })
})

test('names and paths that could leave their place are refused', async () => {
  const store = await world.open('a')
  for (const name of ['../x', 'a/b/c', 'a//b', '/a', 'a/..', 'a--b/c', 'o/m@../x', 'o/m@a/../b', 'o/m@', 'o/m@-x', 'o/m.git', 'o/.m']) {
    expect(() => store.resolve(name), name).toThrow(WindlassError)
  }
  for (const path of ['../up', 'a/../../up', '/abs', 'a\\b', 'C:x', 'a//b', './a', '']) {
    world.hub.publish('o/evil', { files: { [path]: config } })
    await expect(store.resolve('o/evil', { refresh: true }), path).rejects.toThrow(/is not one of a file/)
  }
})

test('what is kept without use leaves the disk at once where nothing is to stay', async () => {
  world.hub.publish('o/m', { files })
  const store = await world.open('a', { keepLocal: false })
  const [one, two] = [await store.use('o/m'), await store.use('o/m')]
  await one.release()
  expect(readdirSync(join(world.folder, 'a/blobs'))).toHaveLength(2)
  expect(readFileSync(join(two.folder, 'onnx/model.onnx')).equals(weights)).toBe(true)
  await two.release()
  expect(readdirSync(join(world.folder, 'a/blobs'))).toEqual([])
  expect(await world.keys('blobs/')).toHaveLength(2)
})

class ReadOnly extends WrappingStore {
  constructor(inner: ObjectStore) {
    super(inner)
    delete this.upload
  }

  override async put(): Promise<never> {
    throw new WindlassError('denied', 'these credentials may not put')
  }
}

