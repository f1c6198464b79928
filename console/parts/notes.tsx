import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api.ts'
import { hrefOf } from '../router.ts'
import { Icon, type IconName } from './icon.tsx'

/** Something went wrong: what, and what can be done. */
export function ErrorNote({ error, onRetry }: { error: ApiError; onRetry?: () => void }) {
  const needsKey = error.kind === 'unauthenticated'
  return (
    <div class="note wrong" role="alert">
      <strong>{needsKey ? 'This server needs a key' : titles[error.kind] ?? 'That did not work'}</strong>
      <p dir="auto">{needsKey ? 'Enter one to go on; it is kept for this tab only.' : error.message}</p>
      <p class="row">
        {needsKey && (
          <a class="button primary" href={hrefOf('keys')}>
            Enter a key
          </a>
        )}
        {onRetry && !needsKey && (
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        )}
        {error.docs && !needsKey && <a href={error.docs}>What this means</a>}
        {error.requestId && <small class="quiet">Request {error.requestId}</small>}
      </p>
    </div>
  )
}

const titles: Readonly<Record<string, string>> = {
  offline: 'No answer',
  denied: 'Not allowed',
  'not-found': 'Not there',
  unavailable: 'Not available just now',
}

/** There is nothing yet: why, and where to begin. */
export function EmptyNote({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} size={36} />
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** Where something will stand that is on its way. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} class="bone" />
      ))}
    </div>
  )
}

/** A number that stands for itself. */
export function Figure({ label, value, title }: { label: string; value: ComponentChildren; title?: string }) {
  return (
    <div class="figure" {...(title && { title })}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  )
}
