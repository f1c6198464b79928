import { systemClock } from '../../base/clock.ts'
import { isWindlassError, messageOf } from '../../base/errors.ts'
import { parseDuration } from '../../vectorize/declaration/duration.ts'
import type { Vectorizer } from '../../vectorize/vectorizer.ts'
import { print, type Flags } from '../run.ts'
import { countText } from '../text.ts'

/**
 * `windlass vectorize --events`: lists the bucket once, then follows its events, and lists it again from time to time for what no event
 * told of. Both go on side by side: documents are claimed one by one.
 */
export async function followEvents(vectorizer: Vectorizer, flags: Flags, stopping: AbortSignal, run: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const failing = new AbortController()
  const signal = AbortSignal.any([stopping, failing.signal])
  const { declaration, name } = vectorizer
  const pollMs = parseDuration((declaration.source.type === 's3' && declaration.source.events?.poll) || '1h')
  const tell = (text: string) => void process.stderr.write(`${name}: ${text}\n`)
  const poll = async () => {
    while (!signal.aborted) {
      await run(signal).catch((error: unknown) => {
        if (isWindlassError(error, 'cancelled')) return
        if (isWindlassError(error, 'invalid')) throw error
        tell(messageOf(error))
      })
      await systemClock.sleep(pollMs, signal).catch(() => undefined)
    }
  }
  const follow = vectorizer.followEvents({
    signal,
    onProblem: tell,
    onBatch: ({ messages, lagMs, report }) => {
      if (flags.json) return print(JSON.stringify({ name, messages, lagMs, ...report }))
      const { new: added, changed, removed, unchanged, failed, skipped } = report
      print(`${name}: ${countText(messages, 'message')}: ${added} new, ${changed} changed, ${removed} removed, ${unchanged} unchanged, ${failed} failed, ${skipped} passed over; the oldest waited ${(lagMs / 1000).toFixed(1)} s`)
    },
  })
  // One without the other would be half of what was asked for.
  const stop = (error: unknown) => {
    failing.abort()
    throw error
  }
  for (const end of await Promise.allSettled([follow.catch(stop), poll().catch(stop)])) if (end.status === 'rejected') throw end.reason
}
