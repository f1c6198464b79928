import { useState } from 'preact/hooks'
import { pathOf, type ApiError } from '../../api.ts'
import { useConsole } from '../../parts/context.ts'
import { asApiError, useLoad } from '../../parts/load.ts'
import { ErrorNote, Figure } from '../../parts/notes.tsx'
import { showBytes, showCount, showNoun } from '../../quantities.ts'
import type { CollectionInfo } from '../collections.tsx'

interface Verification {
  readonly objectCount: number
  readonly sizeBytes: number
  readonly problems: readonly { readonly object: string; readonly message: string }[]
}

interface Health {
  readonly checks: readonly { readonly name: string; readonly collection?: string; readonly ok: boolean; readonly detail: string }[]
}

/** How the log and the segments are, and what can be done about it by hand. */
export function HealthTab({ info, onChange }: { info: CollectionInfo; onChange(): void }) {
  const { api, notify } = useConsole()
  const [busy, setBusy] = useState<string | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const [found, setFound] = useState<Verification | null>(null)
  const base = pathOf('v1', 'collections', info.name)
  const health = useLoad((signal) => api.get<Health>('/health', {}, signal), [info.name, info.logSequence])
  const own = health.value?.checks.find(({ collection }) => collection === info.name)
  const act = async (name: string, task: () => Promise<string>) => {
    setBusy(name)
    setError(null)
    try {
      notify(await task())
      onChange()
    } catch (caught) {
      setError(asApiError(caught))
    } finally {
      setBusy(null)
    }
  }
  const actions: readonly { name: string; explained: string; run(): Promise<string> }[] = [
    { name: 'Flush', explained: 'Writes what is only in the log as a segment. It happens by itself.', run: () => api.post(`${base}/flush`).then(() => 'The log is in segments') },
    { name: 'Merge', explained: 'Joins segments into as few as may be.', run: () => api.post<{ merged: boolean }>(`${base}/merge`).then(({ merged }) => (merged ? 'Segments are merged' : 'There was nothing to merge')) },
    { name: 'Warm', explained: 'Reads vector indexes into the memory of this server, ahead of the first query.', run: () => api.post(`${base}/warm`).then(() => 'Indexes are in memory') },
    {
      name: 'Verify',
      explained: 'Reads every object and checks every checksum; reads as many bytes as are stored.',
      run: async () => {
        const result = await api.post<Verification>(`${base}/verify`)
        setFound(result)
        return result.problems.length === 0 ? `All ${showNoun(result.objectCount, 'object')} are as they were written` : `${showNoun(result.problems.length, 'problem')} found`
      },
    },
  ]
  return (
    <>
      <div class="panel">
        <p>
          {own === undefined ? <span class="tag">{health.isLoading ? 'looking …' : 'not opened by this server yet'}</span> : own.ok ? <span class="tag good">healthy</span> : <span class="tag bad">{own.detail}</span>}
        </p>
        <dl class="figures">
          <Figure label="Commits so far" value={showCount(info.logSequence)} />
          <Figure label="Only in the log" value={showNoun(info.unflushedCommits, 'commit')} />
          <Figure label="Their bytes" value={showBytes(info.unflushedBytes)} />
          <Figure label="Segments" value={showCount(info.segmentCount)} />
          <Figure label="Their bytes" value={showBytes(info.sizeBytes)} />
        </dl>
        <p class="quiet">What is only in the log is as durable as the rest: it is in the bucket, and every reader sees it.</p>
      </div>
      {error && <ErrorNote error={error} />}
      <div class="panel">
        <h2>By hand</h2>
        {actions.map(({ name, explained, run }) => (
          <div key={name} class="row">
            <button type="button" class="small by-hand" disabled={busy !== null} onClick={() => void act(name, run)}>
              {busy === name ? 'Working …' : name}
            </button>
            <span class="quiet grow">{explained}</span>
          </div>
        ))}
        {found && found.problems.length > 0 && (
          <ul class="note wrong">
            {found.problems.map(({ object, message }) => (
              <li key={object}>
                <code>{object}</code>: {message}
              </li>
            ))}
          </ul>
        )}
        {found && found.problems.length === 0 && (
          <p class="good">
            {showNoun(found.objectCount, 'object')}, {showBytes(found.sizeBytes)}: every checksum is right.
          </p>
        )}
      </div>
    </>
  )
}
