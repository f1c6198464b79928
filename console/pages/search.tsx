import { useEffect, useRef, useState } from 'preact/hooks'
import { pathOf, type ApiError } from '../api.ts'
import { toFilter, type Condition, type Field } from '../filters.ts'
import { addMeasurement } from '../latency.ts'
import { CollectionChoice, chooseCollection, useCollections } from '../parts/collection-choice.tsx'
import { useConsole } from '../parts/context.ts'
import { Facets } from '../parts/facets.tsx'
import { FilterForm } from '../parts/filter-form.tsx'
import { Hit, type Passage } from '../parts/hit.tsx'
import { LatencyChart } from '../parts/latency-chart.tsx'
import { asApiError, useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Figure, Loading } from '../parts/notes.tsx'
import { showBytes, showCount, showMs, showNoun } from '../quantities.ts'
import { hrefOf, type Place } from '../router.ts'

export interface SearchAnswer {
  readonly passages: readonly Passage[]
  readonly stats: SearchStats
}

export interface SearchStats {
  readonly ms: number
  readonly store: { readonly requests: number; readonly bytesRead: number }
  readonly query?: QueryStats
}

interface QueryStats {
  readonly rowsMatching: number
  readonly rowsScored: number
  readonly clustersProbed: number
  readonly candidates: number
  readonly requests: number
  readonly bytesRead: number
  readonly roundTrips: number
}

const modes = [
  ['hybrid', 'Hybrid'],
  ['vector', 'Meaning'],
  ['text', 'Words'],
] as const

export function SearchPage({ place }: { place: Place }) {
  const collections = useCollections()
  if (collections.error) return <ErrorNote error={collections.error} onRetry={collections.reload} />
  if (!collections.value) return <Loading />
  const chosen = chooseCollection(collections.value.collections, place.parts[0])
  if (chosen === undefined) return <NoCollections />
  return <SearchIn key={chosen} collection={chosen} collections={collections.value.collections} place={place} />
}

/** What to do on a server that holds nothing yet. */
export function NoCollections() {
  return (
    <EmptyNote icon="collections" title="No collections yet">
      <p>A collection holds documents and records, and answers searches of them. Make one, then drop files into it.</p>
      <a class="button primary" href={hrefOf('collections')}>
        Make a collection
      </a>
    </EmptyNote>
  )
}

function SearchIn({ collection, collections, place }: { collection: string; collections: readonly { name: string; id: string }[]; place: Place }) {
  const { api } = useConsole()
  const question = place.query.q ?? ''
  const mode = modes.some(([id]) => id === place.query.mode) ? place.query.mode! : 'hybrid'
  const conditions = parseConditions(place.query.f)
  const [typed, setTyped] = useState(question)
  const [state, setState] = useState<{ answer?: SearchAnswer; error?: ApiError; clientMs?: number; isLoading: boolean }>({ isLoading: false })
  const [round, setRound] = useState(0)
  const [isFilterShown, setFilterShown] = useState(conditions.length > 0)
  const input = useRef<HTMLInputElement>(null)
  const sample = useLoad((signal) => api.get<{ fields: Field[]; sampledCount: number; isComplete: boolean }>(`${pathOf('v1', 'collections', collection)}/fields`, {}, signal), [collection])
  const fields = (sample.value?.fields ?? []).filter(({ field }) => !bookkeeping.has(field))
  const go = (query: { q?: string; mode?: string; f?: readonly Condition[] }) => {
    const f = query.f ?? conditions
    location.hash = hrefOf('search', [collection], { q: query.q ?? typed, mode: (query.mode ?? mode) === 'hybrid' ? undefined : (query.mode ?? mode), f: f.length === 0 ? undefined : JSON.stringify(f) })
  }
  useEffect(() => setTyped(question), [question])
  useEffect(() => {
    if (question === '') return setState({ isLoading: false })
    // The types of fields decide what a filter's values are.
    if (conditions.length > 0 && sample.isLoading) return setState((before) => ({ ...before, isLoading: true }))
    const ending = new AbortController()
    setState((before) => ({ ...(before.answer && { answer: before.answer }), isLoading: true }))
    const started = performance.now()
    const filter = toFilter(conditions, sample.value?.fields ?? [])
    api
      .post<SearchAnswer>(`${pathOf('v1', 'collections', collection)}/search`, { query: question, mode, k: 20, ...(filter !== undefined && { filter }) }, ending.signal)
      .then((answer) => {
        if (ending.signal.aborted) return
        const { ms, store, query } = answer.stats
        addMeasurement({ at: Date.now(), ms, requests: store.requests, vectorRequests: query?.requests ?? 0, bytesRead: store.bytesRead, question })
        setState({ answer, clientMs: performance.now() - started, isLoading: false })
      })
      .catch((error: unknown) => !ending.signal.aborted && setState({ error: asApiError(error), isLoading: false }))
    return () => ending.abort()
  }, [collection, question, mode, place.query.f, round, conditions.length > 0 && sample.isLoading])
  const submit = (event: Event) => {
    event.preventDefault()
    if (typed === question) setRound((n) => n + 1)
    else go({ q: typed })
  }
  const { answer, error, isLoading } = state
  return (
    <div class="page">
      <div class="head">
        <h1>Search</h1>
        <CollectionChoice page="search" collections={collections} chosen={collection} />
      </div>
      <form onSubmit={submit} role="search" class="page">
        <div class="question">
          <input ref={input} type="search" dir="auto" aria-label="Question" placeholder={`Ask ${collection} something`} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} autoFocus />
          <button type="submit" class="primary">
            Search
          </button>
        </div>
        <div class="row between">
          <fieldset class="segmented">
            <legend class="hidden">How to search</legend>
            {modes.map(([id, name]) => (
              <label key={id}>
                <input type="radio" name="mode" checked={mode === id} onChange={() => go({ mode: id })} />
                {name}
              </label>
            ))}
          </fieldset>
          <button type="button" class="small" aria-expanded={isFilterShown} onClick={() => setFilterShown(!isFilterShown)}>
            Filters{conditions.length > 0 && ` (${conditions.length})`}
          </button>
        </div>
      </form>
      {isFilterShown && <FilterForm fields={fields} conditions={conditions} isLoading={sample.isLoading} onChange={(f) => go({ f })} />}
      <div class={question === '' ? 'page' : 'columns'}>
        <section class="hits" aria-label="Results" aria-busy={isLoading}>
          {error && <ErrorNote error={error} onRetry={() => setRound((n) => n + 1)} />}
          {isLoading && !answer && <Loading lines={4} />}
          {answer && <Answered answer={answer} clientMs={state.clientMs ?? 0} mode={mode} hasFilter={conditions.length > 0} collection={collection} />}
          {question === '' && !error && <Invitation collection={collection} />}
        </section>
        {question !== '' && (
          <aside class="page" aria-label="Narrow down and measurements">
            <Facets fields={fields} conditions={conditions} sampledCount={sample.value?.sampledCount ?? 0} isComplete={sample.value?.isComplete ?? true} onChange={(f) => go({ f })} />
            <LatencyChart />
          </aside>
        )}
      </div>
    </div>
  )
}

/** What we store with a passage to find its place again: nobody filters by it. */
export const bookkeeping = new Set(['generation', 'chunk', 'lineStart', 'lineEnd', 'byteStart', 'byteEnd'])

function Answered({ answer: { passages, stats }, clientMs, mode, hasFilter, collection }: { answer: SearchAnswer; clientMs: number; mode: string; hasFilter: boolean; collection: string }) {
  const best = passages.reduce((most, { textScore = 0 }) => Math.max(most, textScore), 0)
  return (
    <>
      <Measured stats={stats} clientMs={clientMs} count={passages.length} />
      {passages.length === 0 && (
        <EmptyNote icon="search" title="Nothing found">
          <p>{hasFilter ? 'No record meets all conditions and answers the question: take a condition away.' : mode === 'text' ? 'None of these words occurs: search by meaning, or by both.' : 'The collection has no passages yet.'}</p>
        </EmptyNote>
      )}
      <ol class="hits">
        {passages.map((passage, i) => (
          <Hit key={passage.key} passage={passage} rank={i + 1} bestTextScore={best} mode={mode} collection={collection} {...(stats.query && { clustersProbed: stats.query.clustersProbed })} />
        ))}
      </ol>
    </>
  )
}

function Measured({ stats: { ms, store, query }, clientMs, count }: { stats: SearchStats; clientMs: number; count: number }) {
  return (
    <div class="panel">
      <p role="status">
        <strong>{showNoun(count, 'passage')}</strong> <span class="quiet">in {showMs(ms)}, {showMs(clientMs)} with the way to the server and back</span>
      </p>
      <details>
        <summary>What this query did</summary>
        <dl class="figures why">
          <Figure label="Requests to the bucket" value={showCount(store.requests)} title="By the server while it searched: the check for newer writes, vectors, words, texts" />
          <Figure label="Bytes read" value={showBytes(store.bytesRead)} />
          {query && (
            <>
              <Figure label="Round trips for vectors" value={`${query.roundTrips} (${showNoun(query.requests, 'request')})`} />
              <Figure label="Clusters probed" value={query.clustersProbed === 0 ? 'none: exact' : showCount(query.clustersProbed)} title="None: so few records that every vector was compared" />
              <Figure label="Records that match" value={showCount(query.rowsMatching)} />
              <Figure label="Records scored" value={showCount(query.rowsScored)} />
              <Figure label="Scored again, finer" value={showCount(query.candidates)} />
            </>
          )}
        </dl>
      </details>
    </div>
  )
}

function Invitation({ collection }: { collection: string }) {
  const { api } = useConsole()
  const { value } = useLoad((signal) => api.get<{ documentCount: number; recordCount: number }>(pathOf('v1', 'collections', collection), {}, signal), [collection])
  if (!value) return null
  if (value.recordCount === 0) {
    return (
      <EmptyNote icon="documents" title="This collection is empty">
        <p>Drop files into it: they are read, cut into passages and found by meaning and by words.</p>
        <a class="button primary" href={hrefOf('documents', [collection])}>
          Add documents
        </a>
      </EmptyNote>
    )
  }
  return (
    <p class="quiet">
      {showNoun(value.documentCount, 'document')}, {showNoun(value.recordCount, 'record')}. A question in your own words finds passages that mean the same; “Words” finds exactly what is written.
    </p>
  )
}

function parseConditions(text: string | undefined): Condition[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(list) ? (list as Condition[]).filter(({ field, operator, value }) => [field, operator, value].every((each) => typeof each === 'string')) : []
  } catch {
    return []
  }
}
