import { systemClock } from '../../src/base/clock.ts'
import { EventIntake } from '../../src/vectorize/events/event-intake.ts'
import { followQueue } from '../../src/vectorize/events/follow-queue.ts'
import { followBucket } from '../../test/events/followed-bucket.ts'
import { MemoryQueue } from '../../test/events/message-queue.ts'

export interface FollowResult {
  readonly events: number
  readonly seconds: number
  readonly perSecond: number
  /** How long messages had waited when they were done, those that were all there at the start. */
  readonly lagMsMax: number
  /** The same, of messages that come one by one afterwards, `perSecond` of them; the largest of each batch. */
  readonly steadyLagMs: { readonly median: number; readonly max: number }
  readonly bucketRequests: Readonly<Record<string, number>>
}

/**
 * Events of `count` documents through a queue into an index in memory, sources over HTTP on loopback, as signed requests of a role: first
 * all of them at once, then some at a steady rate. Every fifth message comes twice; the result is compared with the bucket.
 */
export async function followMany(count: number, { steadySeconds = 10, steadyPerSecond = 20 } = {}): Promise<FollowResult> {
  const bucket = await followBucket()
  const queue = new MemoryQueue(systemClock)
  const lags: number[] = []
  const ending = new AbortController()
  try {
    const messages: object[] = []
    for (let i = 0; i < count; i++) messages.push({ Records: [await bucket.put(`${i % 100}/document ${i}.md`, `# Document ${i}\n\nIt tells of subject ${i % 997}, at some length, so that there is something to embed.`)] })
    const started = systemClock.monotonic()
    messages.forEach((message, i) => {
      queue.send(message)
      if (i % 5 === 0) queue.send(message)
    })
    const following = bucket.vectorizer().follow((each) =>
      followQueue(queue, new EventIntake(each), { clock: systemClock, signal: ending.signal, waitSeconds: 1, onBatch: ({ lagMs }) => void lags.push(lagMs), onProblem: (problem) => void console.error(problem) }),
    )
    const empty = async () => {
      while (queue.size > 0) await Promise.race([systemClock.sleep(5), following])
    }
    await empty()
    const seconds = (systemClock.monotonic() - started) / 1000
    const lagMsMax = Math.max(...lags)
    lags.length = 0
    for (let i = 0; i < steadySeconds * steadyPerSecond; i++) {
      queue.send({ Records: [await bucket.put(`steady/${i}.md`, `Steady ${i}.`)] })
      await systemClock.sleep(1000 / steadyPerSecond)
    }
    await empty()
    ending.abort()
    await following
    const { documentCount } = await (await bucket.index.collection('docs')).stats()
    if (documentCount !== count + steadySeconds * steadyPerSecond) throw new Error(`the index has ${documentCount} documents, the bucket ${count + steadySeconds * steadyPerSecond}`)
    const sorted = [...lags].sort((a, b) => a - b)
    return { events: messages.length + Math.ceil(count / 5), seconds, perSecond: count / seconds, lagMsMax, steadyLagMs: { median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 }, bucketRequests: bucket.index.requestCounts().requests }
  } finally {
    ending.abort()
    await bucket.close()
  }
}
