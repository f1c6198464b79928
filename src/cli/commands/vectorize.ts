import { systemClock, toIsoTime } from '../../base/clock.ts'
import { isWindlassError, messageOf } from '../../base/errors.ts'
import type { RunReport } from '../../vectorize/run/report.ts'
import { parseDuration } from '../../vectorize/declaration/duration.ts'
import type { Vectorizer } from '../../vectorize/vectorizer.ts'
import { startProgress } from '../progress.ts'
import { print, type Flags } from '../run.ts'
import { countText, sizeText } from '../text.ts'
import type { VectorizerSession } from '../vectorizers.ts'

/** What a run came to, as `--json` prints it. */
export interface VectorizeResult extends Awaited<ReturnType<Vectorizer['run']>> {
  readonly name: string
  readonly seconds: number
}

/** `windlass vectorize`: brings destinations in step with their sources, once or until it is told to stop. */
export async function vectorize(session: VectorizerSession, flags: Flags): Promise<VectorizeResult[]> {
  const { vectorizers } = session
  if (flags.dryRun) {
    for (const each of vectorizers) await preview(each, flags)
    return []
  }
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    if (flags.events) {
      const { followEvents } = await import('./vectorize-events.ts')
      await Promise.all(vectorizers.map((each) => followEvents(each, flags, stopping.signal, (signal) => runOnce(session, each, { ...flags, watch: true }, signal))))
      return []
    }
    if (flags.watch) {
      await Promise.all(vectorizers.map((each) => watch(session, each, flags, stopping.signal)))
      return []
    }
    const results: VectorizeResult[] = []
    for (const each of vectorizers) results.push(await runOnce(session, each, flags, stopping.signal))
    if (flags.json) print(JSON.stringify(results, null, 2))
    if (results.some(({ failed }) => failed > 0)) process.exitCode = 1
    return results
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

async function runOnce(session: VectorizerSession, vectorizer: Vectorizer, flags: Flags, signal: AbortSignal): Promise<VectorizeResult> {
  const started = systemClock.monotonic()
  const progress = startProgress({ isTerminal: process.stderr.isTTY && !flags.watch, noun: 'documents' })
  const report = await vectorizer
    .run({
      signal,
      ...(flags.full && { isFull: true }),
      ...(flags.check && { isCheck: true }),
      onProgress: ({ listed, done, total, report: { bytesRead } }) => progress.update(done, Math.max(total, done), bytesRead, listed > 0 && total > 0),
    })
    .finally(() => progress.stop())
  const result = { name: vectorizer.name, ...report, seconds: (systemClock.monotonic() - started) / 1000 }
  if (!flags.json && !(flags.watch && isIdle(report))) tell(result, session)
  return result
}

/** Runs again and again, with the declared time between. What stops one run is told, and the next one tries again. */
async function watch(session: VectorizerSession, vectorizer: Vectorizer, flags: Flags, signal: AbortSignal): Promise<void> {
  const everyMs = parseDuration(vectorizer.declaration.schedule.every)
  while (!signal.aborted) {
    try {
      const result = await runOnce(session, vectorizer, flags, signal)
      if (flags.json && !isIdle(result)) print(JSON.stringify(result))
    } catch (error) {
      if (isWindlassError(error, 'cancelled')) return
      if (isWindlassError(error, 'invalid')) throw error
      process.stderr.write(`${vectorizer.name}: ${messageOf(error)}\n`)
    }
    await systemClock.sleep(everyMs, signal).catch(() => undefined)
  }
}

function tell({ name, seconds, embedding, ...report }: VectorizeResult, { bucket }: VectorizerSession): void {
  for (const { path, step, message, retryAt } of report.failures) {
    const shown = message.startsWith(path) ? message : `${path}: ${message}`
    process.stderr.write(`failed (${step}): ${shown}; ${retryAt === undefined ? 'set aside' : `again from ${toIsoTime(retryAt)}`}\n`)
  }
  if (report.failed > report.failures.length) process.stderr.write(`and ${report.failed - report.failures.length} more: windlass errors ${name}\n`)
  const waiting = report.waiting > 0 ? `, ${report.waiting} waiting` : ''
  const others = report.byOthers > 0 ? `, ${report.byOthers} by other workers` : ''
  const repaired = report.repaired > 0 ? `, ${report.repaired} repaired` : ''
  print(`${name}: ${report.new} new, ${report.changed} changed, ${report.renamed} renamed, ${report.unchanged} unchanged, ${report.removed} removed, ${report.failed} failed${waiting}${others}${repaired}`)
  const { requests } = bucket.requestCounts()
  const sent = Object.entries(requests).map(([operation, count]) => `${count} ${operation}`).join(', ')
  const cost = embedding.cost === undefined ? '' : `, ${embedding.cost.toFixed(4)} USD`
  const remote = embedding.requests > 0 ? `; ${countText(embedding.requests, 'embedding request')}, ${countText(embedding.tokens, 'token')}${cost}` : ''
  print(`  ${countText(report.chunksEmbedded, 'chunk')} embedded, ${report.chunksReused} taken over; ${sizeText(report.bytesRead)} read in ${seconds.toFixed(1)} s${remote}; bucket: ${sent || 'no requests'}`)
}

async function preview(vectorizer: Vectorizer, flags: Flags): Promise<void> {
  const plan = await vectorizer.preview({ ...(flags.full && { isFull: true }) })
  if (flags.json) return print(JSON.stringify({ name: vectorizer.name, ...plan }, null, 2))
  for (const path of plan.pending) print(`vectorize  ${path}`)
  for (const path of plan.missing) print(`remove     ${path}`)
  print(`${vectorizer.name}: ${plan.pending.length}${plan.isPartial ? ' or more' : ''} to vectorize, ${plan.missing.length} to remove, ${plan.unchanged} unchanged, ${plan.waiting} waiting; nothing was done`)
}

function isIdle({ new: added, changed, renamed, removed, failed, repaired }: RunReport): boolean {
  return added + changed + renamed + removed + failed + repaired === 0
}
