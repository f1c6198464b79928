import { chunksOf } from '../base/groups.ts'
import type { Journal, JournalHead } from './journal.ts'

/** What a rollback took out, and what it left. */
export interface RollbackReport {
  readonly removed: number
  /** Written by the migration, and gone or changed since: somebody else's now. */
  readonly left: number
  /** Whether the collection that the migration made went too, as nothing else was in it. */
  readonly dropped: boolean
}

/** Where what was written is taken out again: a target of records, or the documents of a collection. */
export interface Undoing {
  /** @returns how many were still as they were written. */
  remove(records: readonly (readonly [key: string, fingerprint: string])[]): Promise<number>
  /** Takes out what says only that something could not be taken, if it still says so. @returns how many did. */
  removeFailed?(keys: readonly string[]): Promise<number>
  dropIfEmpty(): Promise<boolean>
}

const batchRecords = 500

/**
 * Takes out of the destination what a migration wrote and nothing else, then the migration's own notes. What was changed since stays.
 * Killed on the way, it is continued by the next: a step's note goes after its records.
 */
export async function rollBack(target: Undoing, journal: Journal, head: JournalHead, onProgress?: (removed: number) => void): Promise<RollbackReport> {
  await journal.writeHead({ ...head, state: 'rolling-back' })
  let [removed, written] = [0, 0]
  for (let pass = head.pass; pass >= 1; pass--) {
    const folder = { ...head, pass }
    // A run that is still at work fails at its next step, instead of writing behind our back.
    const fence = await journal.fence(folder, { fence: true })
    for await (const { number, page } of journal.pages(folder)) {
      if (number >= fence) break
      for (const part of chunksOf(page.written, batchRecords)) {
        written += part.length
        removed += await target.remove(part)
        onProgress?.(removed)
      }
      if (page.failed && target.removeFailed) {
        written += page.failed.length
        removed += await target.removeFailed(page.failed)
      }
      await journal.deletePages(folder, [number])
    }
    await journal.deletePages(folder, [fence])
  }
  const dropped = head.created && (await target.dropIfEmpty())
  await journal.deleteHead()
  return { removed, left: written - removed, dropped }
}
