import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemRandom } from '../base/random.ts'
import { currentVersion, readVersion, writeSynced } from './version-files.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-versions-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('a version whose file was replaced by another of the same name and size cannot be read any more', async () => {
  const path = join(scratch, 'key')
  const write = (text: string) => writeSynced(path, 1_700_000_000_000, systemRandom, (handle) => handle.writeFile(text))
  await write('one')
  const version = (await currentVersion(path))!
  expect(await readVersion(version, 0, 3)).toEqual(new Uint8Array(Buffer.from('one')))
  rmSync(path)
  expect(await readVersion(version, 0, 3)).toBeNull()
  await write('two')
  expect(await readVersion(version, 0, 3)).toBeNull()
})

test('two files at the same time have different etags, and the time is right to the second', async () => {
  const etags = new Set<string>()
  for (let i = 0; i < 50; i++) {
    const path = join(scratch, 'again')
    await writeSynced(path, 1_700_000_000_999, systemRandom, (handle) => handle.writeFile('same'))
    const { etag, lastModified } = (await currentVersion(path))!
    etags.add(etag)
    expect(Math.floor(lastModified / 1000)).toBe(1_700_000_000)
    rmSync(path)
  }
  expect(etags.size).toBe(50)
})

test('a file that could not be written is removed, and an existing one is never written into', async () => {
  const path = join(scratch, 'failed')
  const failing = writeSynced(path, 0, systemRandom, () => Promise.reject(new Error('the disk is full')))
  await expect(failing).rejects.toThrow('the disk is full')
  expect(await currentVersion(path)).toBeNull()
  writeFileSync(path, 'kept')
  await expect(writeSynced(path, 0, systemRandom, (handle) => handle.writeFile('new'))).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(path, 'utf8')).toBe('kept')
})
