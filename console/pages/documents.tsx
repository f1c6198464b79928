import { useRef, useState } from 'preact/hooks'
import { pathOf } from '../api.ts'
import { CollectionChoice, chooseCollection, useCollections } from '../parts/collection-choice.tsx'
import { useConsole } from '../parts/context.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../parts/notes.tsx'
import { filesOf, useUploads, type Upload } from '../parts/uploads.ts'
import { showBytes, showCount, showNoun, showTime } from '../quantities.ts'
import type { Place } from '../router.ts'
import { NoCollections } from './search.tsx'

interface DocumentInfo {
  readonly source: string
  readonly title?: string
  readonly format: string
  readonly sizeBytes: number
  readonly chunkCount: number
  readonly state: 'indexed' | 'failed'
  readonly error?: string
  readonly indexedAt: string
}

interface DocumentPage {
  readonly documents: readonly DocumentInfo[]
  readonly next?: string
}

const pageSize = 50

export function DocumentsPage({ place }: { place: Place }) {
  const collections = useCollections()
  if (collections.error) return <ErrorNote error={collections.error} onRetry={collections.reload} />
  if (!collections.value) return <Loading />
  const chosen = chooseCollection(collections.value.collections, place.parts[0])
  if (chosen === undefined) return <NoCollections />
  return (
    <div class="page">
      <div class="head">
        <h1>Documents</h1>
        <CollectionChoice page="documents" collections={collections.value.collections} chosen={chosen} />
      </div>
      <Documents key={chosen} collection={chosen} />
    </div>
  )
}

function Documents({ collection }: { collection: string }) {
  const { api } = useConsole()
  const [starts, setStarts] = useState<readonly (string | undefined)[]>([undefined])
  const [prefix, setPrefix] = useState('')
  const after = starts.at(-1)
  const path = `${pathOf('v1', 'collections', collection)}/documents`
  const { value, error, isLoading, reload } = useLoad((signal) => api.get<DocumentPage>(path, { limit: pageSize, after, prefix: prefix || undefined }, signal), [collection, after, prefix])
  const uploads = useUploads(api, path, reload)
  return (
    <>
      <DropZone onFiles={uploads.add} />
      {uploads.uploads.length > 0 && <UploadList uploads={uploads.uploads} onRetry={uploads.retry} onCancel={uploads.cancel} onClear={uploads.clear} />}
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading lines={4} />}
      {value && value.documents.length === 0 && starts.length === 1 && prefix === '' && (
        <EmptyNote icon="documents" title="No documents yet">
          <p>PDF, Word, HTML, Markdown, text, tables and e-mail are read; pictures are not.</p>
        </EmptyNote>
      )}
      {value && (value.documents.length > 0 || starts.length > 1 || prefix !== '') && (
        <section class="panel" aria-label="Documents of the collection">
          <input
            type="search"
            aria-label="Find documents whose path begins with"
            placeholder="Path begins with …"
            dir="auto"
            value={prefix}
            onChange={(event) => {
              setStarts([undefined])
              setPrefix(event.currentTarget.value)
            }}
          />
          <DocumentTable documents={value.documents} path={path} isLoading={isLoading} onChange={reload} />
          {value.documents.length === 0 && <p class="quiet">No path begins so.</p>}
          <div class="row end">
            <button type="button" class="small" disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>
              Back
            </button>
            <span class="quiet">Page {starts.length}</span>
            <button type="button" class="small" disabled={value.next === undefined} onClick={() => setStarts([...starts, value.next])}>
              Next
            </button>
          </div>
        </section>
      )}
    </>
  )
}

function DropZone({ onFiles }: { onFiles(files: readonly { file: File; path: string }[]): void }) {
  const [isOver, setOver] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  return (
    <div
      class={isOver ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        if (event.dataTransfer) void filesOf(event.dataTransfer).then(onFiles)
      }}
    >
      <Icon name="upload" size={28} />
      <p>Drop files or folders here</p>
      <button type="button" onClick={() => input.current!.click()}>
        Choose files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to add"
        onChange={(event) => {
          onFiles(Array.from(event.currentTarget.files ?? []).map((file) => ({ file, path: file.webkitRelativePath || file.name })))
          event.currentTarget.value = ''
        }}
      />
    </div>
  )
}

function UploadList({ uploads, onRetry, onCancel, onClear }: { uploads: readonly Upload[]; onRetry(id: number): void; onCancel(id: number): void; onClear(): void }) {
  const count = (state: Upload['state']) => uploads.filter((upload) => upload.state === state).length
  const isDone = uploads.every(({ state }) => state === 'done' || state === 'failed')
  return (
    <section class="panel" aria-label="Uploads">
      <div class="row between">
        <h2 aria-live="polite">{isDone ? `${showNoun(count('done'), 'file')} added${count('failed') > 0 ? `, ${count('failed')} failed` : ''}` : `${count('done') + count('failed')} of ${uploads.length} done`}</h2>
        {isDone && (
          <div class="row">
            {count('failed') > 1 && (
              <button type="button" class="small" onClick={() => uploads.filter(({ state }) => state === 'failed').forEach(({ id }) => onRetry(id))}>
                Try all again
              </button>
            )}
            <button type="button" class="small" onClick={onClear}>
              Clear
            </button>
          </div>
        )}
      </div>
      <ul class="uploads">
        {uploads.slice(0, 200).map(({ id, path, file, state, share, outcome, error }) => (
          <li key={id} class="upload">
            <span class="name" dir="auto">
              {path} <small class="quiet">{showBytes(file.size)}</small>
            </span>
            <span class="row">
              {state === 'waiting' && <span class="tag">waiting</span>}
              {state === 'sending' && <span class="tag on">{share < 1 ? `${Math.round(share * 100)} %` : 'reading …'}</span>}
              {state === 'done' && <span class="tag good">{outcome}</span>}
              {state === 'failed' && (
                <>
                  <span class="tag bad">failed</span>
                  <button type="button" class="small" aria-label={`Try again: ${path}`} onClick={() => onRetry(id)}>
                    Try again
                  </button>
                </>
              )}
              {(state === 'waiting' || state === 'sending') && (
                <button type="button" class="small plain" aria-label={`Cancel ${path}`} onClick={() => onCancel(id)}>
                  <Icon name="cross" size={16} />
                </button>
              )}
            </span>
            {state === 'sending' && <progress class="detail" max={1} {...(share < 1 && { value: share })} aria-label={`How far ${path} has come`} />}
            {error && (
              <small class="detail bad" dir="auto">
                {error}
              </small>
            )}
          </li>
        ))}
      </ul>
      {uploads.length > 200 && <p class="quiet">and {showCount(uploads.length - 200)} more</p>}
    </section>
  )
}

function DocumentTable({ documents, path, isLoading, onChange }: { documents: readonly DocumentInfo[]; path: string; isLoading: boolean; onChange(): void }) {
  const { api, notify } = useConsole()
  const [deleting, setDeleting] = useState<string | null>(null)
  const now = new Date()
  return (
    <div class="scroll">
      <table aria-busy={isLoading}>
        <thead>
          <tr>
            <th scope="col">Document</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Passages</th>
            <th scope="col" class="number">Size</th>
            <th scope="col">Added</th>
            <th scope="col">
              <span class="hidden">What to do</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {documents.map(({ source, title, format, state, error, chunkCount, sizeBytes, indexedAt }) => (
            <tr key={source}>
              <td class="wide">
                <span dir="auto">{source}</span>
                {title !== undefined && title !== source && (
                  <>
                    <br />
                    <small class="quiet" dir="auto">
                      {title}
                    </small>
                  </>
                )}
                {error !== undefined && (
                  <>
                    <br />
                    <small class="bad" dir="auto">
                      {error}
                    </small>
                  </>
                )}
              </td>
              <td>{state === 'indexed' ? <span class="tag good">{format}</span> : <span class="tag bad">failed</span>}</td>
              <td class="number">{showCount(chunkCount)}</td>
              <td class="number">{showBytes(sizeBytes)}</td>
              <td title={indexedAt}>{showTime(indexedAt, now)}</td>
              <td class="actions">
                <button type="button" class="small plain bad" aria-label={`Delete ${source}`} onClick={() => setDeleting(source)}>
                  Delete
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {deleting !== null && (
        <Dialog
          title={`Delete ${deleting}?`}
          action="Delete it"
          isDangerous
          onClose={() => setDeleting(null)}
          onConfirm={async () => {
            await api.call('DELETE', `${path}/${encodeURIComponent(deleting)}`)
            notify(`${deleting} is deleted, with all its passages`)
            onChange()
          }}
        >
          <p>All its passages go with it, at once.</p>
        </Dialog>
      )}
    </div>
  )
}
