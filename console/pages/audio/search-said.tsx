import { useEffect, useState } from 'preact/hooks'
import { pieces } from '../../highlight.ts'
import { useConsole } from '../../parts/context.ts'
import { useLoad } from '../../parts/load.ts'
import { ErrorNote, Loading } from '../../parts/notes.tsx'
import { hrefOf } from '../../router.ts'
import { showSeconds } from './places.ts'

interface Heard {
  readonly recording: string
  readonly name: string
  readonly speaker: string
  readonly speakerName?: string
  readonly start: number
  readonly end: number
  readonly text: string
  readonly highlights: readonly { readonly start: number; readonly end: number }[]
}

/** Finds what was said, and leads to the place where it was. */
export function SearchSaid({ question }: { question: string }) {
  const { api } = useConsole()
  const [typed, setTyped] = useState(question)
  useEffect(() => setTyped(question), [question])
  const { value, error, isLoading, reload } = useLoad((signal) => (question === '' ? Promise.resolve(null) : api.post<{ passages: Heard[] }>('/v1/audio/search', { query: question, k: 20 }, signal)), [question])
  return (
    <>
      <form
        class="question"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          location.hash = hrefOf('audio', [], { q: typed })
        }}
      >
        <input type="search" dir="auto" aria-label="What was said" placeholder="Find what was said" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        <button type="submit" class="primary">
          Search
        </button>
      </form>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {question !== '' && isLoading && <Loading lines={2} />}
      {value?.passages.length === 0 && <p class="quiet">Nothing that was said is like that, or nothing was transcribed yet.</p>}
      {value && value.passages.length > 0 && (
        <ol class="hits">
          {value.passages.map(({ recording, name, speaker, speakerName, start, end, text, highlights }) => (
            <li key={`${recording} ${start}`} class="hit">
              <h3>
                <a href={hrefOf('audio', [recording], { t: String(start) })} dir="auto">
                  {name}
                </a>{' '}
                <small class="quiet">
                  {showSeconds(start)} to {showSeconds(end)}, <span dir="auto">{speakerName ?? speaker}</span>
                </small>
              </h3>
              <p class="text" dir="auto">
                {pieces(text, highlights).map(({ text: piece, isHit }, i) => (isHit ? <mark key={i}>{piece}</mark> : piece))}
              </p>
            </li>
          ))}
        </ol>
      )}
    </>
  )
}
