import { mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../base/errors.ts'
import { defaultModelFolder } from '../models/open-model-store.ts'
import { isS3, ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'
import { sizeText } from './size-text.ts'

interface Use {
  readonly what: string
  readonly setting: 'scratch-budget' | 'disk-cache' | 'model-cache-budget'
  readonly folder: string
  readonly bytes: number
}

const trialBytes = 64 * 1024
// Of a limit that is this full, one should know before it is reached.
const watermark = 0.8

/** Whether the folders on the local disk can be written, and have the room that they may take. */
export const diskCheck: Check = {
  name: 'disk',
  applies: () => true,
  async run(context) {
    const scratch = context.configuration.text('scratch') ?? tmpdir()
    const refused = await tryFolder(scratch)
    if (refused) return [problem(`scratch folder ${scratch} cannot be written: ${refused}`, { why: 'uploads of more than a megabyte, and what queries read, pass through it', mend: 'WINDLASS_SCRATCH=/path/to/a/folder   # in a container with a read-only root: a tmpfs or an emptyDir' })]
    return [...(await room(await uses(context, scratch))), ...(await modelBudget(context))]
  },
}

/** Why nothing can be written there; null where it can. */
async function tryFolder(folder: string): Promise<string | null> {
  let own: string | undefined
  try {
    own = await mkdtemp(join(folder, 'windlass-doctor-'))
    await writeFile(join(own, 'trial'), new Uint8Array(trialBytes))
    return null
  } catch (error) {
    const { code } = error as { code?: string }
    return code === 'ENOSPC' ? 'it is full (ENOSPC)' : code === 'EDQUOT' ? 'the quota is used up (EDQUOT)' : messageOf(error)
  } finally {
    if (own !== undefined) await rm(own, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** What may come to lie on this disk with these settings. */
async function uses(context: DoctorContext, scratch: string): Promise<Use[]> {
  const { configuration } = context
  const list: Use[] = [{ what: 'temporary files', setting: 'scratch-budget', folder: scratch, bytes: configuration.number('scratch-budget')! }]
  if (isS3(context)) list.push({ what: 'cached parts of the bucket', setting: 'disk-cache', folder: scratch, bytes: configuration.number('disk-cache')! })
  const folder = configuration.text('model-cache') ?? defaultModelFolder()
  // Many use no models that have to be kept: theirs is built in.
  const isUsed = await stat(folder).then(() => true, () => false)
  if (isUsed) list.push({ what: 'models', setting: 'model-cache-budget', folder, bytes: Math.max(0, configuration.number('model-cache-budget')! - (await usedBytes(folder))) })
  return list
}

async function usedBytes(folder: string): Promise<number> {
  const { measureDisk } = await import('../models/disk-measure.ts')
  return (await measureDisk(folder)).usedBytes
}

/** Free space of each file system against all that may come to lie on it. */
async function room(list: readonly Use[]): Promise<Finding[]> {
  const byDevice = new Map<number, Use[]>()
  for (const use of list) {
    const { dev } = await stat(use.folder)
    byDevice.set(dev, [...(byDevice.get(dev) ?? []), use])
  }
  const findings: Finding[] = []
  for (const group of byDevice.values()) {
    const { bavail, bsize } = await statfs(group[0]!.folder)
    const free = bavail * bsize
    const wanted = group.reduce((sum, { bytes }) => sum + bytes, 0)
    const parts = group.map(({ what, bytes }) => `${what} ${sizeText(bytes)}`).join(', ')
    if (free >= wanted) {
      findings.push(ok(`${group[0]!.folder} can be written, ${sizeText(free)} are free; at most ${sizeText(wanted)} will be used (${parts})`))
      continue
    }
    const largest = group.reduce((one, other) => (other.bytes > one.bytes ? other : one))
    findings.push(
      warning(`${sizeText(free)} are free in ${group[0]!.folder}, and up to ${sizeText(wanted)} may be used (${parts})`, {
        why: 'the disk would be full before the limits are reached; the oldest go first only when a limit is',
        mend: `${variableOf(largest.setting)}=${Math.max(0, Math.floor(((free / wanted) * largest.bytes) / 2 ** 20))}MiB   # or free space`,
      }),
    )
  }
  return findings
}

function variableOf(setting: Use['setting']): string {
  return { 'scratch-budget': 'WINDLASS_SCRATCH_BUDGET', 'disk-cache': 'WINDLASS_DISK_CACHE', 'model-cache-budget': 'WINDLASS_MODEL_CACHE_BUDGET' }[setting]
}

/** Models that are in use cannot make room for others. */
async function modelBudget({ configuration }: DoctorContext): Promise<Finding[]> {
  const folder = configuration.text('model-cache') ?? defaultModelFolder()
  const budget = configuration.number('model-cache-budget')!
  const { measureDisk } = await import('../models/disk-measure.ts')
  const { pinnedBytes, blobs } = await measureDisk(folder)
  if (blobs.length === 0 && pinnedBytes === 0) return []
  if (pinnedBytes <= budget * watermark) return [ok(`models on this disk: ${sizeText(blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))} of at most ${sizeText(budget)} (${folder}); ${sizeText(pinnedBytes)} in use, the rest goes when room is needed`)]
  return [warning(`models in use take ${sizeText(pinnedBytes)} of the ${sizeText(budget)} that models may take`, { why: 'the next one may not find room', mend: 'WINDLASS_MODEL_CACHE_BUDGET=…GiB   # or: windlass models prune --local' })]
}
