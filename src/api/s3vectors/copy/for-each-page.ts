import { throwIfAborted } from '../../../base/errors.ts'
import type { CopiedRecord, IndexPlace } from './index-place.ts'

/** Lists all segments side by side; at most `parallel` tasks run at once. The first failure ends all. */
export async function forEachPage(
  place: IndexPlace,
  include: 'keys' | 'records',
  { parallel, signal }: { readonly parallel: number; readonly signal?: AbortSignal },
  task: (page: readonly CopiedRecord[]) => Promise<void>,
): Promise<void> {
  const count = Math.min(parallel, place.segmentsMax)
  const running = new Set<Promise<void>>()
  let hasFailed = false
  const listSegment = async (index: number) => {
    for await (const page of place.list({ index, count }, include)) {
      throwIfAborted(signal)
      while (running.size >= parallel) await Promise.race(running)
      if (hasFailed) return
      const work = task(page).finally(() => running.delete(work))
      // Who waits for it learns of its failure; nobody else must.
      work.catch(() => (hasFailed = true))
      running.add(work)
    }
  }
  const lists = Array.from({ length: count }, (_, index) => listSegment(index))
  try {
    await Promise.all(lists)
    await Promise.all(running)
  } finally {
    hasFailed = true
    await Promise.allSettled([...lists, ...running])
  }
}
