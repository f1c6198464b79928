import { toIsoTime } from '../../base/clock.ts'
import { print, type Flags } from '../run.ts'
import { countText } from '../text.ts'
import type { VectorizerSession } from '../vectorizers.ts'

/** `windlass status`: what vectorizers have done, and who is at work. */
export async function showStatus({ vectorizers }: VectorizerSession, flags: Flags): Promise<void> {
  const all = await Promise.all(vectorizers.map((each) => each.status()))
  if (flags.json) return print(JSON.stringify(all, null, 2))
  for (const { name, documents, failed, inProgress, workers, runs } of all) {
    print(`${name}: ${countText(documents, 'document')}${failed > 0 ? `, ${failed} failed (windlass errors ${name})` : ''}${inProgress > 0 ? `, ${inProgress} in progress` : ''}`)
    for (const { host, pid, startedAt } of workers) print(`  worker ${host}/${pid} since ${toIsoTime(startedAt)}`)
    const [last] = runs
    if (!last) print('  has never run to its end')
    else {
      const { new: added, changed, renamed, removed, failed: broken } = last.report
      print(`  last run ended ${toIsoTime(last.endedAt)}, took ${((last.endedAt - last.startedAt) / 1000).toFixed(1)} s: ${added} new, ${changed} changed, ${renamed} renamed, ${removed} removed, ${broken} failed`)
    }
  }
}

/** `windlass errors`: documents that failed, with the reason and what happens next. */
export async function showErrors({ vectorizers }: VectorizerSession, flags: Flags): Promise<void> {
  for (const vectorizer of vectorizers) {
    let count = 0
    for await (const error of vectorizer.errors()) {
      count++
      if (flags.json) print(JSON.stringify({ vectorizer: vectorizer.name, ...error, at: toIsoTime(error.at), ...(error.retryAt !== undefined && { retryAt: toIsoTime(error.retryAt) }) }))
      else {
        const { path, step, message, attempts, retryAt } = error
        print(`${path}\n  ${step}, ${countText(attempts, 'attempt')}: ${message}\n  ${retryAt === undefined ? `set aside: windlass retry ${vectorizer.name} ${JSON.stringify(path)}` : `again from ${toIsoTime(retryAt)}`}`)
      }
    }
    if (count === 0 && !flags.json) print(`${vectorizer.name}: nothing has failed`)
  }
}

/** `windlass retry`: makes what failed due now. */
export async function retryFailed({ vectorizers: [vectorizer] }: VectorizerSession, paths: readonly string[]): Promise<void> {
  const count = await vectorizer!.retry(paths.length > 0 ? paths : undefined)
  print(`${vectorizer!.name}: ${countText(count, 'document')} due again with the next run`)
}

/** `windlass drift`: how destinations differ from what the state says. */
export async function showDrift({ vectorizers }: VectorizerSession, flags: Flags): Promise<void> {
  for (const vectorizer of vectorizers) {
    for (const { destination, extra, missing } of await vectorizer.check()) {
      if (flags.json) print(JSON.stringify({ vectorizer: vectorizer.name, destination, extra, missing }))
      else {
        for (const path of extra) print(`extra    ${path}`)
        for (const path of missing) print(`missing  ${path}`)
        print(`${vectorizer.name}, ${destination}: ${extra.length} extra, ${missing.length} missing${extra.length + missing.length > 0 ? `: windlass vectorize ${vectorizer.name} --check puts it right` : ''}`)
      }
      if (extra.length + missing.length > 0) process.exitCode = 1
    }
  }
}
