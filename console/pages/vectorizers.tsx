import { useState } from 'preact/hooks'
import { pathOf } from '../api.ts'
import { useConsole } from '../parts/context.ts'
import { asApiError, useLoad, useReload } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Figure, Loading } from '../parts/notes.tsx'
import { parseDuration, showBytes, showCount, showMs, showNoun, showTime } from '../quantities.ts'

interface VectorizerRun {
  readonly id: string
  readonly startedAt: string
  readonly endedAt: string
  readonly new: number
  readonly changed: number
  readonly renamed: number
  readonly unchanged: number
  readonly removed: number
  readonly failed: number
  readonly chunksEmbedded: number
  readonly chunksReused: number
  readonly bytesRead: number
}

interface VectorizerInfo {
  readonly name: string
  readonly source: { readonly type: string; readonly place: string }
  readonly destinations: readonly { readonly type: string; readonly place: string }[]
  readonly embedding: string
  readonly every: string
  readonly documents: number
  readonly failed: number
  readonly inProgress: number
  readonly workers: readonly { readonly id: string; readonly host: string; readonly pid: number; readonly startedAt: string }[]
  readonly runs: readonly VectorizerRun[]
}

export function VectorizersPage() {
  const { api } = useConsole()
  const loaded = useLoad((signal) => api.get<{ vectorizers: VectorizerInfo[] }>('/v1/vectorizers', {}, signal), [])
  const { value, error, isLoading, reload } = loaded
  useReload(loaded, value?.vectorizers.some(({ workers }) => workers.length > 0) ?? false, 3000, String(value?.vectorizers.map(({ documents, failed, inProgress }) => [documents, failed, inProgress])))
  return (
    <div class="page">
      <div class="head">
        <div>
          <h1>Vectorizers</h1>
          <p>Keep collections and other stores in step with buckets, folders, repositories, tables and web pages.</p>
        </div>
        <button type="button" disabled={isLoading} onClick={reload}>
          Look again
        </button>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value?.vectorizers.length === 0 && (
        <EmptyNote icon="vectorizers" title="None is declared here">
          <p>Declare them in windlass.yaml, and start the server with it; docs/vectorizer.md says how.</p>
          <pre>windlass serve --config windlass.yaml</pre>
        </EmptyNote>
      )}
      {value?.vectorizers.map((each) => <VectorizerPanel key={each.name} vectorizer={each} onChange={reload} />)}
    </div>
  )
}

function VectorizerPanel({ vectorizer, onChange }: { vectorizer: VectorizerInfo; onChange(): void }) {
  const { name, source, destinations, embedding, documents, failed, inProgress, workers, runs } = vectorizer
  const last = runs[0]
  return (
    <section class="panel" aria-label={`Vectorizer ${name}`}>
      <div class="row between">
        <h2 dir="auto">{name}</h2>
        {workers.length > 0 ? <span class="tag on">{showNoun(workers.length, 'worker')} at work</span> : failed > 0 ? <span class="tag bad">{showCount(failed)} failed</span> : <span class="tag good">at rest</span>}
      </div>
      <p class="quiet" dir="auto">
        {source.type} {source.place} → {destinations.map(({ type, place }) => `${type} ${place}`).join(', ')}, embedded by {embedding === 'static' ? 'the built-in model' : embedding}
      </p>
      <dl class="figures">
        <Figure label="Documents" value={showCount(documents)} />
        <Figure label="Failed" value={showCount(failed)} />
        <Figure label="Being worked on" value={showCount(inProgress)} />
        <Figure label="Last run" value={last ? <span title={last.endedAt}>{showTime(last.endedAt, new Date())}</span> : 'none yet'} />
        <Figure label="Next run" value={nextRun(vectorizer, new Date())} title="Where windlass vectorize --watch runs" />
        <Figure label="Rate" value={rateOf(runs)} title="Of the last run that embedded anything" />
      </dl>
      {failed > 0 && <Failures name={name} onChange={onChange} />}
      {runs.length > 0 && <Runs runs={runs} />}
    </section>
  )
}

/** When `--watch` runs again: that long after the last run ended. */
export function nextRun({ every, runs, workers }: Pick<VectorizerInfo, 'every' | 'runs' | 'workers'>, now: Date): string {
  if (workers.length > 0) return 'running now'
  const [last] = runs
  if (!last) return `every ${every}`
  const at = new Date(last.endedAt).getTime() + parseDuration(every)
  return Number.isNaN(at) ? `every ${every}` : at < now.getTime() ? 'due: nobody watches' : showTime(new Date(at).toISOString(), now)
}

/** Passages a second, of the newest run that embedded any. */
export function rateOf(runs: readonly VectorizerRun[]): string {
  const run = runs.find(({ chunksEmbedded }) => chunksEmbedded > 0)
  if (!run) return '–'
  const seconds = (new Date(run.endedAt).getTime() - new Date(run.startedAt).getTime()) / 1000
  return seconds > 0 ? `${showCount(Math.round(run.chunksEmbedded / seconds))} passages/s` : showNoun(run.chunksEmbedded, 'passage')
}

function Runs({ runs }: { runs: readonly VectorizerRun[] }) {
  return (
    <details>
      <summary>{runs.length === 1 ? 'The run' : `The last ${runs.length} runs`}</summary>
      <div class="scroll why">
        <table>
          <thead>
            <tr>
              {['Ended', 'Took', 'New', 'Changed', 'Removed', 'Unchanged', 'Failed', 'Passages embedded', 'Read'].map((label, i) => (
                <th key={label} scope="col" class={i > 0 ? 'number' : ''}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.id}>
                <td title={run.endedAt}>{showTime(run.endedAt, new Date())}</td>
                <td class="number">{showMs(new Date(run.endedAt).getTime() - new Date(run.startedAt).getTime())}</td>
                {[run.new, run.changed + run.renamed, run.removed, run.unchanged].map((count, i) => (
                  <td key={i} class="number">
                    {showCount(count)}
                  </td>
                ))}
                <td class={run.failed > 0 ? 'number bad' : 'number'}>{showCount(run.failed)}</td>
                <td class="number">{showCount(run.chunksEmbedded)}</td>
                <td class="number">{showBytes(run.bytesRead)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}

interface Failure {
  readonly path: string
  readonly step: string
  readonly message: string
  readonly attempts: number
  readonly at: string
  readonly retryAt?: string
}

function Failures({ name, onChange }: { name: string; onChange(): void }) {
  const { api, notify } = useConsole()
  const base = pathOf('v1', 'vectorizers', name)
  const { value, error, reload } = useLoad((signal) => api.get<{ errors: Failure[]; isComplete: boolean }>(`${base}/errors`, {}, signal), [name])
  const [isBusy, setBusy] = useState(false)
  const retry = async (paths?: readonly string[]) => {
    setBusy(true)
    try {
      const { count } = await api.post<{ count: number }>(`${base}/retry`, paths ? { paths } : {})
      notify(`${showNoun(count, 'document')} will be tried again by the next run`)
      reload()
      onChange()
    } catch (caught) {
      notify(asApiError(caught).message, 'wrong')
    } finally {
      setBusy(false)
    }
  }
  if (error) return <ErrorNote error={error} onRetry={reload} />
  if (!value) return <Loading />
  return (
    <div class="note wrong">
      <div class="row between">
        <strong>
          {showNoun(value.errors.length, 'document')}
          {value.isComplete ? '' : ', and more,'} failed
        </strong>
        <button type="button" class="small" disabled={isBusy} onClick={() => void retry()}>
          Retry all
        </button>
      </div>
      <div class="scroll">
        <table>
          <tbody>
            {value.errors.map(({ path, step, message, attempts, at, retryAt }) => (
              <tr key={path}>
                <td class="wide" dir="auto">
                  {path}
                </td>
                <td class="wide">
                  {step}: <span dir="auto">{message}</span>
                  <br />
                  <small class="quiet" title={at}>
                    {showNoun(attempts, 'attempt')}, {retryAt === undefined ? 'set aside until it changes' : new Date(retryAt).getTime() <= Date.now() ? 'due with the next run' : `again ${showTime(retryAt, new Date())}`}
                  </small>
                </td>
                <td class="actions">
                  <button type="button" class="small" disabled={isBusy} aria-label={`Retry ${path}`} onClick={() => void retry([path])}>
                    Retry
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  )
}
