import { useConsole } from '../parts/context.ts'
import { useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../parts/notes.tsx'

export function AudioPage() {
  const { api } = useConsole()
  const { value, error, reload } = useLoad((signal) => api.get<unknown>('/v1/audio', {}, signal), [])
  return (
    <div class="page">
      <div class="head">
        <h1>Audio</h1>
      </div>
      {!value && !error && <Loading />}
      {error?.status === 404 ? (
        <EmptyNote icon="audio" title="No audio on this server">
          <p>This version of the server does not keep recordings.</p>
        </EmptyNote>
      ) : (
        error && <ErrorNote error={error} onRetry={reload} />
      )}
    </div>
  )
}
