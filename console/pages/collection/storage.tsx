import { useState } from 'preact/hooks'
import { pathOf } from '../../api.ts'
import { defaultPrices, estimateCost, pricesDate, type Prices } from '../../cost.ts'
import { measurements } from '../../latency.ts'
import { useConsole } from '../../parts/context.ts'
import { useLoad } from '../../parts/load.ts'
import { ErrorNote, Figure, Loading } from '../../parts/notes.tsx'
import { showBytes, showCount, showDollars } from '../../quantities.ts'
import type { CollectionInfo } from '../collections.tsx'

interface Storage {
  readonly kinds: Readonly<Record<string, { readonly objectCount: number; readonly sizeBytes: number }>>
  readonly objectCount: number
  readonly sizeBytes: number
  readonly isComplete: boolean
}

const explained: Readonly<Record<string, string>> = {
  segments: 'Rows, vectors and indexes',
  log: 'Commits; those that are in segments go after a day',
  manifests: 'What the collection was: a day of history',
  manifest: 'What the collection is',
  deletes: 'Which rows of segments are dead',
  snapshots: 'Names of moments; what they keep is counted where it lies',
  sweep: 'What is about to be deleted',
  lease: 'Who maintains the collection now',
}

const pricesName = 'windlass-prices'

/** What is stored, object by object, and what that costs. */
export function StorageTab({ info }: { info: CollectionInfo }) {
  const { api } = useConsole()
  const [prices, setPrices] = useState(storedPrices())
  const [queriesPerDay, setQueriesPerDay] = useState(10_000)
  const { value, error, reload } = useLoad((signal) => api.get<Storage>(`${pathOf('v1', 'collections', info.name)}/storage`, {}, signal), [info.name])
  if (error) return <ErrorNote error={error} onRetry={reload} />
  if (!value) return <Loading lines={5} />
  const kinds = Object.entries(value.kinds).sort(([, a], [, b]) => b.sizeBytes - a.sizeBytes)
  const measured = measurements().slice(-20)
  // A query that finds all in memory asks twice: for the manifest, and for newer commits.
  const requestsPerQuery = measured.length === 0 ? 2 : measured.reduce((total, { requests }) => total + requests, 0) / measured.length
  const cost = estimateCost({ sizeBytes: value.sizeBytes, recordCount: info.recordCount, queriesPerDay, requestsPerQuery }, prices)
  const change = (part: Partial<Prices>) => {
    const next = { ...prices, ...part }
    localStorage.setItem(pricesName, JSON.stringify(next))
    setPrices(next)
  }
  return (
    <>
      <div class="panel">
        <h2>
          {showBytes(value.sizeBytes)} in {showCount(value.objectCount)} objects{value.isComplete ? '' : ', and more that were not listed'}
        </h2>
        <div class="bar" aria-hidden="true">
          {kinds.map(([kind, { sizeBytes }], i) => (
            <i key={kind} class={`c${Math.min(i, 5)}`} style={{ flexGrow: sizeBytes }} />
          ))}
        </div>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Kind</th>
                <th scope="col">What it is</th>
                <th scope="col" class="number">Objects</th>
                <th scope="col" class="number">Size</th>
              </tr>
            </thead>
            <tbody>
              {kinds.map(([kind, { objectCount, sizeBytes }], i) => (
                <tr key={kind}>
                  <td>
                    <span class={`key c${Math.min(i, 5)}`} /> {kind}
                  </td>
                  <td class="quiet">{explained[kind] ?? ''}</td>
                  <td class="number">{showCount(objectCount)}</td>
                  <td class="number">{showBytes(sizeBytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <p class="quiet">Listed just now. What a branch shares with its origin lies with the origin, and is counted there.</p>
      </div>
      <div class="panel">
        <h2>A month of it</h2>
        <dl class="figures">
          <Figure label="Storage" value={showDollars(cost.storage)} />
          <Figure label="Per million records of this size" value={cost.storagePerMillion === null ? 'no records yet' : showDollars(cost.storagePerMillion)} />
          <Figure label={`Reads for ${showCount(queriesPerDay)} queries a day`} value={showDollars(cost.requests)} />
          <Figure label="Bytes a record" value={info.recordCount === 0 ? '–' : showBytes(value.sizeBytes / info.recordCount)} />
        </dl>
        <div class="row">
          <Price label="$ per GB and month" value={prices.storagePerGbMonth} onChange={(storagePerGbMonth) => change({ storagePerGbMonth })} />
          <Price label="$ per 1,000 reads" value={prices.readsPerThousand} onChange={(readsPerThousand) => change({ readsPerThousand })} />
          <Price label="Queries a day" value={queriesPerDay} onChange={setQueriesPerDay} />
          <button type="button" class="small plain" onClick={() => change(defaultPrices)}>
            As AWS has it
          </button>
        </div>
        <p class="quiet">
          An estimate: bytes as listed, {requestsPerQuery.toFixed(1)} reads a query {measured.length === 0 ? '(all in memory)' : `(the last ${measured.length} of this console)`}. Prices to begin with: S3 Standard, us-east-1, {pricesDate}, without free tier, transfer and writes.
        </p>
      </div>
    </>
  )
}

function Price({ label, value, onChange }: { label: string; value: number; onChange(value: number): void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input type="number" min={0} step="any" value={value} onChange={(event) => Number.isFinite(event.currentTarget.valueAsNumber) && onChange(Math.max(0, event.currentTarget.valueAsNumber))} />
    </label>
  )
}

function storedPrices(): Prices {
  try {
    const stored = JSON.parse(localStorage.getItem(pricesName) ?? '{}') as Partial<Prices>
    return { ...defaultPrices, ...Object.fromEntries(Object.entries(stored).filter(([, price]) => typeof price === 'number' && price >= 0)) }
  } catch {
    return defaultPrices
  }
}
