import { useState } from 'preact/hooks'
import { pathOf } from '../api.ts'
import { useConsole } from '../parts/context.ts'
import { Dialog } from '../parts/dialog.tsx'
import { useLoad } from '../parts/load.ts'
import { ErrorNote, Figure, Loading } from '../parts/notes.tsx'
import { showBytes, showCount } from '../quantities.ts'
import { hrefOf, type Place } from '../router.ts'
import type { CollectionInfo } from './collections.tsx'
import { FieldsTab } from './collection/fields.tsx'
import { HealthTab } from './collection/health.tsx'
import { RecordsTab } from './collection/records.tsx'
import { SnapshotsTab } from './collection/snapshots.tsx'
import { StorageTab } from './collection/storage.tsx'

const tabs = [
  ['records', 'Records'],
  ['fields', 'Fields'],
  ['health', 'Log and segments'],
  ['storage', 'Storage and cost'],
  ['snapshots', 'Snapshots'],
] as const

/** One collection: its counts, and a tab for each side of it. */
export function CollectionPage({ place }: { place: Place }) {
  const { api, notify } = useConsole()
  const name = place.parts[0]!
  const tab = tabs.find(([id]) => id === place.query.tab)?.[0] ?? 'records'
  const [isDropping, setDropping] = useState(false)
  const [typed, setTyped] = useState('')
  const { value: info, error, reload } = useLoad((signal) => api.get<CollectionInfo>(pathOf('v1', 'collections', name), {}, signal), [name])
  return (
    <div class="page">
      <div class="head">
        <div>
          <p>
            <a href={hrefOf('collections')}>Collections</a>
          </p>
          <h1 dir="auto">{name}</h1>
        </div>
        <div class="row">
          <a class="button" href={hrefOf('search', [name])}>
            Search it
          </a>
          <a class="button" href={hrefOf('documents', [name])}>
            Documents
          </a>
          <button type="button" class="plain bad" onClick={() => setDropping(true)}>
            Delete …
          </button>
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!info && !error && <Loading />}
      {info && (
        <>
          <dl class="panel figures">
            <Figure label="Records" value={showCount(info.recordCount)} />
            <Figure label="Documents" value={showCount(info.documentCount)} />
            <Figure label="In segments" value={showBytes(info.sizeBytes)} />
            <Figure label="Vectors" value={info.dimension === null ? 'none yet' : `${info.dimension} × ${info.metric}`} />
            <Figure label="Embedding model" value={<small>{info.embeddingModel ?? 'vectors of your own'}</small>} />
          </dl>
          <nav class="tabs" aria-label="Sides of the collection">
            {tabs.map(([id, label]) => (
              <a key={id} href={hrefOf('collections', [name], { tab: id })} {...(id === tab && { 'aria-current': 'page' as const })}>
                {label}
              </a>
            ))}
          </nav>
          {tab === 'records' && <RecordsTab key={name} collection={name} shownKey={place.query.key} onChange={reload} />}
          {tab === 'fields' && <FieldsTab collection={name} />}
          {tab === 'health' && <HealthTab info={info} onChange={reload} />}
          {tab === 'storage' && <StorageTab info={info} />}
          {tab === 'snapshots' && <SnapshotsTab collection={name} onRestore={reload} />}
        </>
      )}
      {isDropping && (
        <Dialog
          title={`Delete ${name}?`}
          action="Delete it for good"
          isDangerous
          onClose={() => setDropping(false)}
          onConfirm={async () => {
            if (typed !== name) throw new Error('the name is not the one of this collection')
            await api.call('DELETE', pathOf('v1', 'collections', name))
            notify(`Collection ${name} is deleted`)
            location.hash = hrefOf('collections')
          }}
        >
          <p>Its records, documents and snapshots go with it. Branches made of it stay.</p>
          <label class="field">
            <span>Type its name to confirm</span>
            <input autoFocus dir="auto" value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
        </Dialog>
      )}
    </div>
  )
}
