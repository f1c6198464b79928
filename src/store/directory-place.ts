import { link, mkdir, statfs, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { isMissing, isPresent } from './file-errors.ts'
import { sweepTemporary, temporaryFolder, temporaryName } from './temporary-files.ts'
import { syncFolder } from './version-files.ts'

// By statfs type (statfs(2)): what "absent" and "created first" mean there differs from machine to machine, and caches answer for both.
const networkFileSystems: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x65735546: 'FUSE',
  0x01021997: '9P',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS',
  0x73757245: 'Coda',
  0x00c36400: 'Ceph',
  0x0bd00bd3: 'Lustre',
  0x01161970: 'GFS2',
  0x7461636f: 'OCFS2',
  0x786f4256: 'a VirtualBox share',
}

/** @throws {WindlassError} `unsupported` when `root` is on a network file system, by name. A root that is not there yet passes. */
export async function refuseNetwork(root: string, url: string, typeOf: (path: string) => Promise<number> = statfsType): Promise<void> {
  const type = await typeOf(root).catch((error: unknown) => {
    if (isMissing(error)) return 0
    throw error
  })
  const network = networkFileSystems[type >>> 0]
  if (network) throw new WindlassError('unsupported', `${url} lies on ${network}, where two machines can both believe that they were first: use a local disk or S3, or add ?shared=unsafe if one machine alone uses it`, { bucket: url })
}

/**
 * Makes `root` ready for writing: tries what the store stands on (links, exclusive links, sync), and sweeps what dead processes left.
 * @throws {WindlassError} `unsupported`, naming what the file system cannot do.
 */
export async function prepareRoot(root: string, url: string, { nowMs, random }: { nowMs: number; random: Random }): Promise<void> {
  const folder = temporaryFolder(root)
  await mkdir(folder, { recursive: true })
  const probe = join(folder, await temporaryName(random))
  await writeFile(probe, '')
  try {
    await link(probe, `${probe}-link`).catch((cause: unknown) => {
      throw unsupported(url, 'has no hard links', cause)
    })
    const again = await link(probe, `${probe}-link`).catch((error: unknown) => error)
    if (!isPresent(again)) throw unsupported(url, 'makes a link over one that is there', again)
    await syncFolder(folder).catch((cause: unknown) => {
      throw unsupported(url, 'cannot sync a folder', cause)
    })
  } finally {
    await unlink(`${probe}-link`).catch(() => undefined)
    await unlink(probe).catch(() => undefined)
  }
  await sweepTemporary(folder, nowMs)
}

function unsupported(url: string, what: string, cause: unknown): WindlassError {
  return new WindlassError('unsupported', `${url}: this file system ${what}, which conditional writes need: use another disk or S3`, { bucket: url, cause })
}

async function statfsType(path: string): Promise<number> {
  return (await statfs(path)).type
}
