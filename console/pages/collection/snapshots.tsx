import { useState } from 'preact/hooks'
import { pathOf } from '../../api.ts'
import { useConsole } from '../../parts/context.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { useLoad } from '../../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../../parts/notes.tsx'
import { showCount, showTime } from '../../quantities.ts'
import { hrefOf } from '../../router.ts'

interface Snapshot {
  readonly name: string
  readonly seq: number
  readonly createdAt: string
}

type Question = { readonly about: 'create' } | { readonly about: 'restore' | 'branch' | 'delete'; readonly snapshot: Snapshot }

/** Moments that are kept: made, gone back to, branched off, let go. */
export function SnapshotsTab({ collection, onRestore }: { collection: string; onRestore(): void }) {
  const { api, notify } = useConsole()
  const base = pathOf('v1', 'collections', collection)
  const { value, error, reload } = useLoad((signal) => api.get<{ snapshots: Snapshot[] }>(`${base}/snapshots`, {}, signal), [collection])
  const [question, setQuestion] = useState<Question | null>(null)
  const [name, setName] = useState('')
  const ask = (next: Question, proposed = '') => {
    setName(proposed)
    setQuestion(next)
  }
  const close = () => setQuestion(null)
  if (error) return <ErrorNote error={error} onRetry={reload} />
  if (!value) return <Loading />
  const newest = [...value.snapshots].reverse()
  return (
    <>
      <div class="row between">
        <p class="quiet grow">A snapshot keeps the collection as it is now. It costs two small objects, and what it keeps from being deleted.</p>
        <button type="button" class="primary" onClick={() => ask({ about: 'create' }, proposedName(new Date()))}>
          Take a snapshot
        </button>
      </div>
      {newest.length === 0 ? (
        <EmptyNote icon="collections" title="No snapshots">
          <p>Take one before you change much: going back takes a moment, whatever the size.</p>
        </EmptyNote>
      ) : (
        <div class="panel scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Taken</th>
                <th scope="col" class="number">Commit</th>
                <th scope="col">
                  <span class="hidden">What to do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {newest.map((snapshot) => (
                <tr key={snapshot.name}>
                  <td class="wide" dir="auto">
                    {snapshot.name}
                  </td>
                  <td title={snapshot.createdAt}>{showTime(snapshot.createdAt, new Date())}</td>
                  <td class="number">{showCount(snapshot.seq)}</td>
                  <td class="actions">
                    <button type="button" class="small" onClick={() => ask({ about: 'restore', snapshot })}>
                      Restore …
                    </button>{' '}
                    <button type="button" class="small" onClick={() => ask({ about: 'branch', snapshot }, `${collection}-${snapshot.name}`)}>
                      Branch …
                    </button>{' '}
                    <button type="button" class="small plain bad" onClick={() => ask({ about: 'delete', snapshot })}>
                      Delete …
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {question?.about === 'create' && (
        <Dialog
          title="Take a snapshot"
          action="Take it"
          onClose={close}
          onConfirm={async () => {
            await api.post(`${base}/snapshots`, { name })
            notify(`Snapshot ${name} is taken`)
            reload()
          }}
        >
          <Name label="Name" value={name} onChange={setName} />
        </Dialog>
      )}
      {question?.about === 'restore' && (
        <Dialog
          title={`Go back to ${question.snapshot.name}?`}
          action="Restore"
          isDangerous
          onClose={close}
          onConfirm={async () => {
            await api.post(`${base}/restore`, { snapshot: question.snapshot.name })
            notify(`${collection} is as it was at ${question.snapshot.name}`)
            reload()
            onRestore()
          }}
        >
          <p>What was written since then is gone, unless a snapshot keeps it. The snapshots stay.</p>
        </Dialog>
      )}
      {question?.about === 'branch' && (
        <Dialog
          title={`A new collection from ${question.snapshot.name}`}
          action="Make the branch"
          onClose={close}
          onConfirm={async () => {
            await api.post(`${base}/branch`, { name, snapshot: question.snapshot.name })
            notify(`Collection ${name} is made`)
            location.hash = hrefOf('collections', [name])
          }}
        >
          <p>It shares what both have in common, and goes its own way from here.</p>
          <Name label="Name of the new collection" value={name} onChange={setName} />
        </Dialog>
      )}
      {question?.about === 'delete' && (
        <Dialog
          title={`Let ${question.snapshot.name} go?`}
          action="Delete the snapshot"
          isDangerous
          onClose={close}
          onConfirm={async () => {
            await api.call('DELETE', `${base}/snapshots/${encodeURIComponent(question.snapshot.name)}`)
            notify(`Snapshot ${question.snapshot.name} is deleted`)
            reload()
          }}
        >
          <p>The collection stays as it is now; nobody can go back to this moment any more.</p>
        </Dialog>
      )}
    </>
  )
}

function Name({ label, value, onChange }: { label: string; value: string; onChange(value: string): void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input required autoFocus dir="auto" value={value} autocomplete="off" onInput={(event) => onChange(event.currentTarget.value)} />
    </label>
  )
}

/** `2026-03-01-1405`: sorts by time, and needs no quoting anywhere. */
export function proposedName(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}`
}
