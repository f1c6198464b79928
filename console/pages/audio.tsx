import { useMemo, useRef, useState } from 'preact/hooks'
import { pathOf, type Api } from '../api.ts'
import { useConsole } from '../parts/context.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { asApiError, useLoad, useReload } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../parts/notes.tsx'
import { showBytes, showCount, showTime } from '../quantities.ts'
import { hrefOf, type Place } from '../router.ts'
import { isUnderWay, showSeconds, underWayMs } from './audio/places.ts'
import { SearchSaid } from './audio/search-said.tsx'
import { RecordingList } from './audio/recording-list.ts'
import { RecordingView } from './audio/recording.tsx'
import type { Recording } from './audio/recording-types.ts'

export function AudioPage({ place }: { place: Place }) {
  const [id] = place.parts
  if (id === undefined) return <Recordings question={place.query.q ?? ''} />
  return <RecordingView key={`${id} ${place.query.t ?? ''}`} id={id} from={Number(place.query.t ?? 0) || 0} />
}

const states: Readonly<Record<string, string>> = {
  uploading: 'on its way',
  stored: 'waits to be listened to',
  diarized: 'who speaks is known',
  transcribed: 'transcribed',
  cut: 'snippets cut',
  done: 'done',
  failed: 'failed',
}

/** Rows that are shown at first, and each time that more are wanted. */
const rowsAtOnce = 500

function Recordings({ question }: { question: string }) {
  const { api, notify } = useConsole()
  const list = useMemo(() => new RecordingList(api), [api])
  const loaded = useLoad((signal) => list.read(signal), [])
  const { value, error, isLoading } = loaded
  const goingOn = value?.recordings.filter(({ state }) => isUnderWay(state)) ?? []
  useReload(loaded, goingOn.length > 0, underWayMs, goingOn.map(({ id, state }) => `${id} ${state}`).join())
  const [shownMax, setShownMax] = useState(rowsAtOnce)
  const reload = () => {
    list.forget()
    loaded.reload()
  }
  const [deleting, setDeleting] = useState<Recording | null>(null)
  const again = async ({ id, name }: Recording) => {
    try {
      await api.post(pathOf('v1', 'audio', id, 'again'))
      notify(`${name} is listened to again`)
      reload()
    } catch (caught) {
      notify(asApiError(caught).message, 'wrong')
    }
  }
  if (error?.status === 404) {
    return (
      <div class="page">
        <h1>Audio</h1>
        <EmptyNote icon="audio" title="No audio on this server">
          <p>This version of the server does not keep recordings.</p>
        </EmptyNote>
      </div>
    )
  }
  return (
    <div class="page">
      <div class="head">
        <div>
          <h1>Audio</h1>
          <p>Recordings, who speaks when in them, and what is said.</p>
        </div>
        <div class="row">
          <AddRecording onAdded={reload} />
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && value.recordings.length > 0 && <SearchSaid question={question} />}
      {value?.recordings.length === 0 && (
        <EmptyNote icon="audio" title="No recordings yet">
          <p>Add one: it is stored in the bucket, then listened to: who speaks when, a snippet of each voice, and what is said where a transcriber is configured.</p>
        </EmptyNote>
      )}
      {value?.hasMore && (
        <p class="row">
          The oldest {showCount(value.recordings.length)} recordings are read; there are newer ones.
          <button
            type="button"
            disabled={isLoading}
            onClick={() => {
              list.extend()
              loaded.reload()
            }}
          >
            Read on
          </button>
        </p>
      )}
      {value && value.recordings.length > 0 && (
        <div class="panel scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Recording</th>
                <th scope="col">State</th>
                <th scope="col" class="number">Length</th>
                <th scope="col" class="number">Speakers</th>
                <th scope="col" class="number">Size</th>
                <th scope="col">Added</th>
                <th scope="col">
                  <span class="hidden">What to do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.recordings.slice(-shownMax).reverse().map((recording) => (
                <tr key={recording.id}>
                  <td class="wide">
                    <a href={hrefOf('audio', [recording.id])} dir="auto">
                      {recording.name}
                    </a>
                    {recording.error !== undefined && (
                      <>
                        <br />
                        <small class="bad" dir="auto">
                          {recording.error}
                        </small>
                      </>
                    )}
                  </td>
                  <td>
                    <span class={recording.state === 'done' ? 'tag good' : recording.state === 'failed' ? 'tag bad' : 'tag on'}>{states[recording.state] ?? recording.state}</span>
                  </td>
                  <td class="number">{recording.seconds === undefined ? '' : showSeconds(recording.seconds)}</td>
                  <td class="number">{recording.speakers.length || ''}</td>
                  <td class="number">{showBytes(recording.sizeBytes)}</td>
                  <td title={recording.createdAt}>{showTime(recording.createdAt, new Date())}</td>
                  <td class="actions">
                    {recording.state === 'failed' && (
                      <button type="button" class="small" aria-label={`Try again: ${recording.name}`} onClick={() => void again(recording)}>
                        Try again
                      </button>
                    )}
                    <button type="button" class="small plain bad" aria-label={`Delete ${recording.name}`} onClick={() => setDeleting(recording)}>
                      Delete
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {value.recordings.length > shownMax && (
            <button type="button" onClick={() => setShownMax((rows) => rows + rowsAtOnce)}>
              More
            </button>
          )}
        </div>
      )}
      {deleting && (
        <Dialog
          title={`Delete ${deleting.name}?`}
          action="Delete it"
          isDangerous
          onClose={() => setDeleting(null)}
          onConfirm={async () => {
            await api.call('DELETE', pathOf('v1', 'audio', deleting.id))
            notify(`${deleting.name} is deleted`)
            reload()
          }}
        >
          <p>The recording goes, with its snippets, its transcript and the voices that were named in it.</p>
        </Dialog>
      )}
    </div>
  )
}

function AddRecording({ onAdded }: { onAdded(): void }) {
  const { api, notify } = useConsole()
  const input = useRef<HTMLInputElement>(null)
  const [share, setShare] = useState<number | null>(null)
  const send = async (files: readonly File[]) => {
    for (const file of files) {
      try {
        setShare(0)
        await sendRecording(api, file, setShare)
        notify(`${file.name} is in the bucket`)
      } catch (caught) {
        notify(`${file.name}: ${asApiError(caught).message}`, 'wrong')
      }
      onAdded()
    }
    setShare(null)
  }
  return (
    <>
      <button type="button" class="primary" disabled={share !== null} onClick={() => input.current!.click()}>
        <Icon name="upload" size={18} />
        {share === null ? 'Add recordings' : `${Math.round(share * 100)} %`}
      </button>
      <input
        ref={input}
        type="file"
        accept="audio/*,video/*"
        multiple
        hidden
        aria-label="Recordings to add"
        onChange={(event) => {
          void send(Array.from(event.currentTarget.files ?? []))
          event.currentTarget.value = ''
        }}
      />
    </>
  )
}

function sendRecording(api: Api, file: File, onProgress: (share: number) => void): Promise<unknown> {
  return api.upload('/v1/audio', file, { method: 'POST', query: { name: file.name }, onProgress })
}
