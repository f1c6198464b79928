import { useEffect, useRef, useState } from 'preact/hooks'
import { pathOf, type Api } from '../../api.ts'
import { useConsole } from '../../parts/context.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { asApiError, useLoad, useReload } from '../../parts/load.ts'
import { ErrorNote, Loading } from '../../parts/notes.tsx'
import { showBytes } from '../../quantities.ts'
import { hrefOf } from '../../router.ts'
import { drawn, isUnderWay, lineAt, showSeconds, underWayMs } from './places.ts'
import type { Recording, Segment, Speaker, TranscriptLine } from './recording-types.ts'

interface Details {
  readonly recording: Recording
  readonly segments: readonly Segment[]
  readonly transcript: readonly TranscriptLine[]
}

const timelinePixels = 700
const linesMax = 2000

/** One recording: heard, seen on a line of time for each speaker, and read. @param from Where the player stands at first, in seconds. */
export function RecordingView({ id, from }: { id: string; from: number }) {
  const { api } = useConsole()
  const path = pathOf('v1', 'audio', id)
  const loaded = useLoad((signal) => api.get<Details>(path, {}, signal), [id])
  const { value, error, reload } = loaded
  useReload(loaded, value !== undefined && isUnderWay(value.recording.state), underWayMs, String(value?.recording.state))
  return (
    <div class="page">
      <div class="head">
        <div>
          <p>
            <a href={hrefOf('audio')}>Audio</a>
          </p>
          <h1 dir="auto">{value?.recording.name ?? 'Recording'}</h1>
          {value && (
            <p>
              {[value.recording.seconds === undefined ? undefined : showSeconds(value.recording.seconds), value.recording.language, showBytes(value.recording.sizeBytes), value.recording.state].filter((each) => each !== undefined).join(', ')}
            </p>
          )}
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && <Player path={path} details={value} from={from} onChange={reload} />}
    </div>
  )
}

function Player({ path, details: { recording, segments, transcript }, from, onChange }: { path: string; details: Details; from: number; onChange(): void }) {
  const { api } = useConsole()
  const audio = useRef<HTMLAudioElement>(null)
  const [at, setAt] = useState(from)
  const source = useSource(api, `${path}/source`, recording.sizeBytes)
  const [naming, setNaming] = useState<Speaker | null>(null)
  const seconds = recording.seconds ?? Math.max(1, ...segments.map(({ end }) => end))
  const lines: readonly (Segment & { text?: string })[] = transcript.length > 0 ? transcript : segments
  const current = lineAt(lines, at)
  const names = new Map(recording.speakers.map((speaker, i) => [speaker.id, { name: speaker.name ?? speaker.id, colour: `c${i % 6}` }]))
  const seek = (to: number) => {
    const element = audio.current
    if (!element) return
    element.currentTime = to
    setAt(to)
    void element.play().catch(() => undefined)
  }
  return (
    <>
      {recording.error !== undefined && (
        <p class="note wrong" dir="auto">
          {recording.error}
        </p>
      )}
      <section class="panel" aria-label="Player">
        {source.error ? <p class="quiet">{source.error}</p> : <audio ref={audio} controls preload="metadata" {...(source.url !== undefined && { src: source.url })} onLoadedMetadata={(event) => from > 0 && (event.currentTarget.currentTime = from)} onTimeUpdate={(event) => setAt(event.currentTarget.currentTime)} />}
        {recording.speakers.map((speaker) => (
          <SpeakerLine key={speaker.id} speaker={speaker} path={path} colour={names.get(speaker.id)!.colour} seconds={seconds} at={at} segments={segments} onSeek={seek} onName={() => setNaming(speaker)} />
        ))}
      </section>
      {lines.length > 0 && (
        <section class="panel" aria-label="Transcript">
          <h2>{transcript.length > 0 ? 'What is said' : 'Who speaks when'}</h2>
          <ol class="transcript">
            {lines.slice(0, linesMax).map((line, i) => (
              <li key={i} {...(i === current && { 'aria-current': 'true' as const })}>
                <button type="button" class="small plain" onClick={() => seek(line.start)}>
                  {showSeconds(line.start)}
                </button>
                <span>
                  <span class={`key ${names.get(line.speaker)?.colour ?? 'c5'}`} /> <strong dir="auto">{names.get(line.speaker)?.name ?? line.speaker}</strong>
                </span>
                <span dir="auto">{line.text ?? `${(line.end - line.start).toFixed(1)} s`}</span>
              </li>
            ))}
          </ol>
          {lines.length > linesMax && <p class="quiet">and {lines.length - linesMax} more</p>}
        </section>
      )}
      {naming && <NameSpeaker path={path} speaker={naming} onClose={() => setNaming(null)} onNamed={onChange} />}
    </>
  )
}

function SpeakerLine({ speaker, path, colour, seconds, at, segments, onSeek, onName }: { speaker: Speaker; path: string; colour: string; seconds: number; at: number; segments: readonly Segment[]; onSeek(to: number): void; onName(): void }) {
  const own = segments.filter((segment) => segment.speaker === speaker.id)
  return (
    <div class="speaker">
      <div class="row between">
        <span>
          <strong dir="auto">{speaker.name ?? speaker.id}</strong>{' '}
          <small class="quiet">
            speaks {showSeconds(speaker.seconds)}
            {speaker.voiceDistance !== undefined && ', known by voice'}
          </small>
        </span>
        <span class="row">
          {speaker.snippetSeconds !== undefined && <Snippet path={path} speaker={speaker} />}
          <button type="button" class="small" aria-label={`Name … ${speaker.name ?? speaker.id}`} onClick={onName}>
            Name …
          </button>
        </span>
      </div>
      {/* For the eye and the mouse; the list below says and does the same for everybody. */}
      <div class="timeline" aria-hidden="true" onClick={(event) => onSeek(((event.clientX - event.currentTarget.getBoundingClientRect().left) / event.currentTarget.clientWidth) * seconds)}>
        {drawn(own, seconds, timelinePixels).map(({ start, width }, i) => (
          <span key={i} class={colour} style={{ left: `${start * 100}%`, width: `${width * 100}%` }} />
        ))}
        <i style={{ left: `${Math.min(100, (at / seconds) * 100)}%` }} />
      </div>
    </div>
  )
}

/** A stretch of the speaker's clearest speech, fetched when it is asked for. */
function Snippet({ path, speaker }: { path: string; speaker: Speaker }) {
  const { api, notify } = useConsole()
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => () => (url === null ? undefined : URL.revokeObjectURL(url)), [url])
  const listen = async () => {
    try {
      const response = await api.fetch('GET', `${path}/snippets/${encodeURIComponent(speaker.id)}`)
      setUrl(URL.createObjectURL(await response.blob()))
    } catch (caught) {
      notify(asApiError(caught).message, 'wrong')
    }
  }
  if (url !== null) return <audio controls autoplay src={url} aria-label={`Snippet of ${speaker.name ?? speaker.id}`} />
  const shown = `Snippet, ${speaker.snippetSeconds!.toFixed(0)} s`
  return (
    <button type="button" class="small" aria-label={`${shown}, of ${speaker.name ?? speaker.id}`} onClick={() => void listen()}>
      {shown}
    </button>
  )
}

function NameSpeaker({ path, speaker, onClose, onNamed }: { path: string; speaker: Speaker; onClose(): void; onNamed(): void }) {
  const { api, notify } = useConsole()
  const [name, setName] = useState(speaker.name ?? '')
  return (
    <Dialog
      title={`Who is ${speaker.name ?? speaker.id}?`}
      action="Give the name"
      onClose={onClose}
      onConfirm={async () => {
        await api.call('PUT', `${path}/speakers/${encodeURIComponent(speaker.id)}`, { json: { name } })
        notify(`${speaker.id} is ${name}`)
        onNamed()
      }}
    >
      <p>Later recordings know the voice by this name.</p>
      <label class="field">
        <span>Name</span>
        <input required autoFocus dir="auto" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
    </Dialog>
  )
}

// A browser's player sends no key with its requests: then the whole recording is fetched first, if it is no larger than this.
const fetchedMax = 100e6

/** What a player can play: the address itself where no key is needed, so that only what is listened to is read. */
function useSource(api: Api, path: string, sizeBytes: number): { url?: string; error?: string } {
  const [state, setState] = useState<{ url?: string; error?: string }>(api.key === null ? { url: path } : {})
  useEffect(() => {
    if (api.key === null) return setState({ url: path })
    if (sizeBytes > fetchedMax) return setState({ error: `With a key, a recording of ${showBytes(sizeBytes)} is too large to be played here: listen to the snippets.` })
    const ending = new AbortController()
    let url: string | undefined
    api
      .fetch('GET', path, { signal: ending.signal })
      .then((response) => response.blob())
      .then((blob) => setState({ url: (url = URL.createObjectURL(blob)) }))
      .catch((caught: unknown) => !ending.signal.aborted && setState({ error: asApiError(caught).message }))
    return () => {
      ending.abort()
      if (url !== undefined) URL.revokeObjectURL(url)
    }
  }, [api, api.key, path, sizeBytes])
  return state
}
