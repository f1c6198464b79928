import { useState } from 'preact/hooks'
import { pathOf } from '../api.ts'
import { languages } from '../languages.ts'
import { useCollections } from '../parts/collection-choice.tsx'
import { useConsole } from '../parts/context.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../parts/notes.tsx'
import { showBytes, showCount, showNoun } from '../quantities.ts'
import { hrefOf } from '../router.ts'

export interface CollectionInfo {
  readonly name: string
  readonly id: string
  readonly dimension: number | null
  readonly metric: string
  readonly embeddingModel: string | null
  readonly recordCount: number
  readonly documentCount: number
  readonly segmentCount: number
  readonly sizeBytes: number
  readonly logSequence: number
  readonly unflushedCommits: number
  readonly unflushedBytes: number
}

// Each row asks for its own counts: more at once than this would only stand in line.
const detailedMax = 50

export function CollectionsPage() {
  const { notify, api } = useConsole()
  const collections = useCollections()
  const [isMaking, setMaking] = useState(false)
  const [typed, setTyped] = useState('')
  const all = collections.value?.collections ?? []
  const shown = all.filter(({ name }) => name.toLowerCase().includes(typed.toLowerCase()))
  return (
    <div class="page">
      <div class="head">
        <div>
          <h1>Collections</h1>
          {collections.value && <p>{showNoun(all.length, 'collection')}{collections.value.next !== undefined && ', and more'}</p>}
        </div>
        <div class="row">
          {all.length > 8 && <input type="search" aria-label="Find a collection" placeholder="Find by name" dir="auto" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            <Icon name="plus" size={18} />
            New collection
          </button>
        </div>
      </div>
      {collections.error && <ErrorNote error={collections.error} onRetry={collections.reload} />}
      {!collections.value && collections.isLoading && <Loading />}
      {collections.value && all.length === 0 && (
        <EmptyNote icon="collections" title="No collections yet">
          <p>A collection holds documents and records, and answers searches of them. All of it is in your bucket.</p>
        </EmptyNote>
      )}
      {shown.length > 0 && (
        <div class="panel scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="number">Documents</th>
                <th scope="col" class="number">Records</th>
                <th scope="col" class="number">Size</th>
                <th scope="col">Vectors</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ name, id }, i) => (
                <Row key={id} name={name} isDetailed={i < detailedMax} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {all.length > 0 && shown.length === 0 && <p class="quiet">No name contains “{typed}”.</p>}
      {isMaking && (
        <NewCollection
          onClose={() => setMaking(false)}
          onMake={async (input) => {
            await api.post('/v1/collections', input)
            notify(`Collection ${input.name} is made`)
            location.hash = hrefOf('collections', [input.name])
          }}
        />
      )}
    </div>
  )
}

function Row({ name, isDetailed }: { name: string; isDetailed: boolean }) {
  const { api } = useConsole()
  const { value, error } = useLoad((signal) => (isDetailed ? api.get<CollectionInfo>(pathOf('v1', 'collections', name), {}, signal) : Promise.resolve(undefined)), [name])
  return (
    <tr>
      <td class="wide">
        <a href={hrefOf('collections', [name])} dir="auto">
          {name}
        </a>
      </td>
      <td class="number">{value ? showCount(value.documentCount) : ''}</td>
      <td class="number">{value ? showCount(value.recordCount) : error ? <span class="bad" title={error.message}>cannot be read</span> : ''}</td>
      <td class="number">{value ? showBytes(value.sizeBytes + value.unflushedBytes) : ''}</td>
      <td>{value ? (value.dimension === null ? <span class="quiet">none yet</span> : `${value.dimension}, ${value.metric}`) : ''}</td>
    </tr>
  )
}

interface NewCollectionInput {
  readonly name: string
  readonly language: string
  readonly metric?: string
  readonly dimension?: number
}

function NewCollection({ onMake, onClose }: { onMake(input: NewCollectionInput): Promise<void>; onClose(): void }) {
  const [name, setName] = useState('')
  const [language, setLanguage] = useState<string>('english')
  const [dimension, setDimension] = useState('')
  const [metric, setMetric] = useState('cosine')
  return (
    <Dialog title="New collection" action="Make it" onClose={onClose} onConfirm={() => onMake({ name, language, metric, ...(dimension !== '' && { dimension: Number(dimension) }) })}>
      <label class="field">
        <span>Name</span>
        <input required autoFocus dir="auto" maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Language of full-text search</span>
        <select value={language} onChange={(event) => setLanguage(event.currentTarget.value)}>
          {languages.map((each) => (
            <option key={each} value={each}>
              {each === 'none' ? 'another: words as they are' : each}
            </option>
          ))}
        </select>
      </label>
      <details>
        <summary>Vectors of your own</summary>
        <div class="why">
          <label class="field">
            <span>Dimension; left empty: that of the first vector</span>
            <input type="number" min={1} max={4096} value={dimension} onInput={(event) => setDimension(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>Distance</span>
            <select value={metric} onChange={(event) => setMetric(event.currentTarget.value)}>
              <option>cosine</option>
              <option>dot</option>
              <option>euclidean</option>
            </select>
          </label>
        </div>
      </details>
    </Dialog>
  )
}
