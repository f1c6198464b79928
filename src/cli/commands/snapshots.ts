import { toIsoTime } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { print, type Flags, type Session } from '../run.ts'
import { countText, printable } from '../text.ts'

/** `windlass snapshot create`: keeps a collection as it is, or was, under a name. */
export async function createSnapshot({ bucket }: Session, collection: string, name: string, flags: Flags): Promise<void> {
  const time = typeof flags.at === 'string' ? Date.parse(flags.at) : undefined
  if (Number.isNaN(time)) throw new WindlassError('invalid', `--at ${String(flags.at)} is no time: use 2026-11-21T10:00:00Z`, { path: 'at' })
  const made = await (await bucket.collection(collection)).createSnapshot(name, time === undefined ? undefined : { time })
  print(`${printable(made.name)}  log position ${made.seq}`)
}

/** `windlass snapshot ls`: the snapshots of a collection, oldest first. */
export async function listSnapshots({ bucket }: Session, collection: string, flags: Flags): Promise<void> {
  for (const snapshot of await (await bucket.collection(collection)).listSnapshots()) {
    const createdAt = toIsoTime(snapshot.createdAt)
    if (flags.json) print(JSON.stringify({ ...snapshot, createdAt }))
    else print(`${printable(snapshot.name).padEnd(24)} ${createdAt}  log position ${snapshot.seq}`)
  }
}

/** `windlass snapshot rm`: lets a snapshot go. */
export async function removeSnapshot({ bucket }: Session, collection: string, name: string): Promise<void> {
  await (await bucket.collection(collection)).deleteSnapshot(name)
  print(`removed snapshot ${printable(name)} of ${printable(collection)}`)
}

/** `windlass branch`: another collection that begins as this one is, or was. */
export async function branch({ bucket }: Session, from: string, to: string, flags: Flags): Promise<void> {
  const made = await bucket.branchCollection(from, to, typeof flags.snapshot === 'string' ? { snapshot: flags.snapshot } : {})
  const { recordCount } = await made.stats()
  print(`${printable(to)}: ${countText(recordCount, 'record')}, as ${printable(from)} ${typeof flags.snapshot === 'string' ? `was at ${printable(flags.snapshot)}` : 'is'}`)
}

/** `windlass restore`: a collection becomes what it was at a snapshot. */
export async function restore({ bucket }: Session, collection: string, snapshot: string): Promise<void> {
  const { recordCount } = await (await bucket.restoreCollection(collection, snapshot)).stats()
  print(`${printable(collection)} is what it was at ${printable(snapshot)}: ${countText(recordCount, 'record')}`)
}

/** `windlass sweep`: deletes what nothing names any more, once it has waited long enough. */
export async function sweep({ bucket }: Session, collection: string): Promise<void> {
  const result = await (await bucket.collection(collection)).sweep()
  if (!result) print('the last visit was less than a grace period (an hour) ago: nothing to do yet')
  else print(`${countText(result.deletedCount, 'object')} deleted, ${result.plannedCount} to go at the next visit, in an hour or later`)
}
