import { useEffect, useRef, useState } from 'preact/hooks'
import { pathOf, type Api } from '../api.ts'
import { asApiError, useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../parts/notes.tsx'
import { showCount, showTime } from '../quantities.ts'
import { MapData, type MapAnswer } from './map-data.ts'
import { MapStage } from './map-stage.tsx'

const pollMs = 700

const partNames: Readonly<Record<string, string>> = {
  waiting: 'Waiting for another map to be finished',
  listing: 'Listing records',
  reading: 'Reading vectors',
  neighbors: 'Finding neighbours',
  axes: 'Finding principal axes',
  layout: 'Laying out',
  saving: 'Saving',
}

/** The map of a collection: as it is kept, while it is made, or how to have one made. */
export function MapView({ collection, api }: { collection: string; api: Api }) {
  const path = `${pathOf('v1', 'collections', collection)}/map`
  const [round, setRound] = useState(0)
  const [failure, setFailure] = useState<unknown>(null)
  const state = useLoad((signal) => api.get<MapAnswer>(path, {}, signal), [collection, round])
  // Between two askings the last answer stays.
  const last = useRef<MapAnswer | undefined>(undefined)
  last.current = state.value ?? last.current
  const version = last.current?.map?.version
  const data = useLoad(async (signal) => (last.current?.map ? MapData.load(api, collection, last.current.map, { signal, onStale: () => setRound((n) => n + 1) }) : null), [collection, version ?? null])
  const run = last.current?.run
  useEffect(() => {
    if (!run || state.isLoading) return
    const timer = setTimeout(() => setRound((n) => n + 1), pollMs)
    return () => clearTimeout(timer)
  }, [run, state.isLoading, round])
  const call = async (method: 'POST' | 'DELETE', json?: object) => {
    setFailure(null)
    try {
      await api.call(method, path, json ? { json } : {})
    } catch (error) {
      setFailure(error)
    }
    setRound((n) => n + 1)
  }
  const shown = data.value
  if (state.error && !state.value) return <ErrorNote error={state.error} onRetry={state.reload} />
  // Another map has come: its state is on its way.
  if (data.error && !(data.error.kind === 'conflict' && state.isLoading)) return <ErrorNote error={data.error} onRetry={data.reload} />
  const answer = last.current
  if (!answer) return <Loading />
  const making = answer.run && (
    <div class="map-run" role="status">
      <span>{partNames[answer.run.part] ?? answer.run.part} …</span>
      <progress max={1} value={answer.run.part === 'waiting' ? 0 : answer.run.done} aria-label="How much of this part is done" />
      <button type="button" class="small" onClick={() => void call('DELETE')}>
        Give up
      </button>
    </div>
  )
  const error = failure !== null ? <ErrorNote error={asApiError(failure)} /> : answer.error !== null && !answer.run ? <div class="note wrong" role="alert"><strong>The map could not be made</strong><p dir="auto">{answer.error}</p></div> : null
  if (!answer.map) {
    return (
      <div class="page">
        {error}
        {making ?? (
          <EmptyNote icon="map" title="No map yet">
            <p>A map shows every record of the collection as a point, such that records of like meaning lie together. It takes seconds for thousands of records, and about a minute for 100,000.</p>
            <button type="button" class="primary" onClick={() => void call('POST', {})}>
              Make the map
            </button>
          </EmptyNote>
        )}
      </div>
    )
  }
  const { pointCount, recordCount, madeAt, isCurrent } = answer.map
  return (
    <div class="page">
      {error}
      {making}
      <div class="row between">
        <p class="quiet">
          {pointCount < recordCount ? `${showCount(pointCount)} of ${showCount(recordCount)} records` : `${showCount(pointCount)} records`}, made {showTime(madeAt, new Date())}
          {isCurrent ? '' : '; the collection has changed since'}
        </p>
        {!answer.run && (
          <button type="button" class="small" onClick={() => void call('POST', { force: true })}>
            Make it anew
          </button>
        )}
      </div>
      {shown && shown.info.version === version ? pointCount === 0 ? <EmptyNote icon="map" title="Nothing to show">No record of this collection has a vector.</EmptyNote> : <MapStage key={shown.info.version} data={shown} collection={collection} /> : <Loading />}
    </div>
  )
}
