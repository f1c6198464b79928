// What a read costs the store, and that it misses nothing for it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sdk, TestS3Vectors } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-fresh-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const place = { vectorBucketName: 'fresh', indexName: 'index' }

test('put through one server, and at once got, listed and found through another', async () => {
  const bucket = `file:${join(folder, 'bucket')}`
  const [one, two] = await Promise.all([TestS3Vectors.start({ bucket }), TestS3Vectors.start({ bucket })])
  await one.newIndex('fresh')
  for (let i = 0; i < 25; i++) {
    const [writer, reader] = i % 2 === 0 ? [one, two] : [two, one]
    const vector = { key: `k${i}`, data: { float32: [i, 1, 0] } }
    await writer.client.send(new sdk.PutVectorsCommand({ ...place, vectors: [vector] }))
    const { vectors: found } = await reader.client.send(new sdk.QueryVectorsCommand({ ...place, topK: 1, queryVector: vector.data }))
    expect(found).toEqual([{ key: vector.key }])
    expect((await reader.client.send(new sdk.ListVectorsCommand(place))).vectors).toHaveLength(i + 1)
    expect((await reader.client.send(new sdk.GetVectorsCommand({ ...place, keys: [vector.key], returnData: true }))).vectors).toEqual([vector])
  }
  await Promise.all([one.stop(), two.stop()])
})

test('a read looks at the store once: at the manifest and the next log number', async () => {
  const door = await TestS3Vectors.start()
  await door.newIndex('fresh')
  await door.client.send(new sdk.PutVectorsCommand({ ...place, vectors: [{ key: 'a', data: { float32: [1, 2, 3] } }] }))
  const gets = async () => Number(/operation="get"\} (\d+)/.exec(await (await fetch(`${door.server.url}/metrics`)).text())![1])
  for (const command of [
    new sdk.QueryVectorsCommand({ ...place, topK: 1, queryVector: { float32: [1, 2, 3] } }),
    new sdk.ListVectorsCommand(place),
    new sdk.GetVectorsCommand({ ...place, keys: ['a'] }),
  ]) {
    const before = await gets()
    await door.client.send(command as never)
    expect((await gets()) - before, command.constructor.name).toBe(2)
  }
  await door.stop()
})
