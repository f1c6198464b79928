import { useState } from 'preact/hooks'
import { ApiError, pathOf } from '../../api.ts'
import { useConsole } from '../../parts/context.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { asApiError, useLoad } from '../../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../../parts/notes.tsx'
import { hrefOf } from '../../router.ts'

interface RecordView {
  readonly key: string
  readonly version: string
  readonly vector?: readonly number[] | null
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly document?: string | null
}

interface RecordPage {
  readonly records: readonly RecordView[]
  readonly next?: string
}

const pageSize = 25

/** The records in the order they were first put, a page at a time; one that the address names is shown whole. */
export function RecordsTab({ collection, shownKey, onChange }: { collection: string; shownKey: string | undefined; onChange(): void }) {
  const { api } = useConsole()
  // Where the pages up to this one began: a list only leads forward.
  const [starts, setStarts] = useState<readonly (string | undefined)[]>([undefined])
  const after = starts.at(-1)
  const base = `${pathOf('v1', 'collections', collection)}/records`
  const { value, error, isLoading, reload } = useLoad((signal) => api.get<RecordPage>(base, { limit: pageSize, after }, signal), [collection, after])
  if (error) return <ErrorNote error={error} onRetry={reload} />
  if (!value) return <Loading lines={5} />
  if (value.records.length === 0 && starts.length === 1) {
    return (
      <EmptyNote icon="collections" title="No records yet">
        <p>Documents that are added become records, one for each passage. Records with vectors of your own come in over the API.</p>
        <a class="button primary" href={hrefOf('documents', [collection])}>
          Add documents
        </a>
      </EmptyNote>
    )
  }
  return (
    <>
      {shownKey !== undefined && (
        <RecordPanel
          key={shownKey}
          collection={collection}
          recordKey={shownKey}
          onDelete={() => {
            location.hash = hrefOf('collections', [collection])
            reload()
            onChange()
          }}
        />
      )}
      <div class="panel">
        <div class="scroll">
          <table aria-busy={isLoading}>
            <thead>
              <tr>
                <th scope="col">Key</th>
                <th scope="col">Text</th>
                <th scope="col">Metadata</th>
              </tr>
            </thead>
            <tbody>
              {value.records.map(({ key, document, metadata }) => (
                <tr key={key}>
                  <td class="wide">
                    <a href={hrefOf('collections', [collection], { tab: 'records', key })} dir="auto">
                      {short(key, 60)}
                    </a>
                  </td>
                  <td class="wide" dir="auto">
                    {document ? short(document, 160) : <span class="quiet">none</span>}
                  </td>
                  <td class="wide quiet">
                    <small dir="auto">{short(Object.entries(metadata ?? {}).map(([field, each]) => `${field}: ${typeof each === 'string' ? each : JSON.stringify(each)}`).join(', '), 140)}</small>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <div class="row end">
          <button type="button" class="small" disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>
            Back
          </button>
          <span class="quiet">Page {starts.length}</span>
          <button type="button" class="small" disabled={value.next === undefined} onClick={() => setStarts([...starts, value.next])}>
            Next
          </button>
        </div>
      </div>
    </>
  )
}

function RecordPanel({ collection, recordKey, onDelete }: { collection: string; recordKey: string; onDelete(): void }) {
  const { api, notify } = useConsole()
  const [isDeleting, setDeleting] = useState(false)
  const path = `${pathOf('v1', 'collections', collection)}/records/${encodeURIComponent(recordKey)}`
  const { value, error, reload } = useLoad((signal) => api.get<RecordView>(path, { include: 'vector,metadata,document' }, signal).catch((caught: unknown) => Promise.reject(withKey(caught, recordKey))), [path])
  return (
    <section class="panel" aria-label="Record">
      <div class="row between">
        <h2 dir="auto">{recordKey}</h2>
        <div class="row">
          <button type="button" class="small plain bad" onClick={() => setDeleting(true)}>
            Delete …
          </button>
          <a class="button small" href={hrefOf('collections', [collection])}>
            Close
          </a>
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <>
          {value.document != null && (
            <p class="text" dir="auto">
              {value.document}
            </p>
          )}
          <pre tabIndex={0} aria-label="Metadata">
            {JSON.stringify(value.metadata ?? {}, null, 2)}
          </pre>
          <small class="quiet">
            Version {value.version}. Vector: {value.vector ? `${value.vector.length} values, ${value.vector.slice(0, 6).map((each) => each.toFixed(3)).join(', ')} …` : 'none'}
          </small>
        </>
      )}
      {isDeleting && (
        <Dialog
          title="Delete this record?"
          action="Delete it"
          isDangerous
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await api.call('DELETE', path)
            notify('The record is deleted')
            onDelete()
          }}
        >
          <p>A passage of a document comes back when the document is added again.</p>
        </Dialog>
      )}
    </section>
  )
}

function withKey(error: unknown, key: string): ApiError {
  const known = asApiError(error)
  return known.kind === 'not-found' ? new ApiError('not-found', `there is no record ${key} any more`, known.status, known) : known
}

function short(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${[...text.slice(0, lengthMax)].slice(0, -1).join('')} …`
}
