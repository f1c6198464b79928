import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemRandom } from '../base/random.ts'
import { prepareRoot, refuseNetwork } from './directory-place.ts'
import { temporaryFolder, temporaryName } from './temporary-files.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-place-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const prepare = (root: string) => prepareRoot(root, `file:${root}`, { nowMs: Date.now(), random: systemRandom })

describe('refuseNetwork', () => {
  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    // Some systems give the type as a signed number.
    [0xff534d42 | 0, 'CIFS'],
    [0x65735546, 'FUSE'],
  ])('file system %i is refused as %s, with what to do', async (type, name) => {
    await expect(refuseNetwork('/data', 'file:/data', async () => type)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(new RegExp(`^file:/data lies on ${name}, .*\\?shared=unsafe`)),
    })
  })

  test('ext4 passes, and so does a folder that is not there', async () => {
    await refuseNetwork('/data', 'file:/data', async () => 0xef53)
    await refuseNetwork(join(scratch, 'absent'), 'file:/absent')
  })
})

describe('prepareRoot', () => {
  test('makes the root, tries it, and leaves nothing behind', async () => {
    const root = join(scratch, 'new/root')
    await prepare(root)
    expect(readdirSync(temporaryFolder(root))).toEqual([])
  })

  test('sweeps what dead processes left; what others still write, or may write, stays', async () => {
    const root = join(scratch, 'swept')
    const folder = temporaryFolder(root)
    mkdirSync(folder, { recursive: true })
    const [place, pid, start] = (await temporaryName(systemRandom)).split('-')
    const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' }).stdout.trim()
    const dayOld = (Date.now() - 25 * 3600 * 1000) / 1000
    const stays = { own: `${place}-${pid}-${start}-nonce`, elsewhere: 'othermachine-1-5-nonce' }
    const goes = { dead: `${place}-${dead}-7-nonce`, reused: `${place}-${pid}-1-nonce`, elsewhereLong: 'othermachine-2-5-nonce' }
    for (const name of [...Object.values(stays), ...Object.values(goes)]) writeFileSync(join(folder, name), '')
    utimesSync(join(folder, goes.elsewhereLong), dayOld, dayOld)
    utimesSync(join(folder, stays.own), dayOld, dayOld)
    await prepare(root)
    expect(readdirSync(folder).sort()).toEqual(Object.values(stays).sort())
  })
})
