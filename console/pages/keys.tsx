import { useState } from 'preact/hooks'
import type { ApiError } from '../api.ts'
import { useConsole } from '../parts/context.ts'
import { useLoad } from '../parts/load.ts'
import { ErrorNote, Loading } from '../parts/notes.tsx'

interface KeysAnswer {
  readonly isOpen: boolean
  readonly caller: { readonly id: string; readonly role: string; readonly isUnscoped: boolean }
  readonly keys?: readonly { readonly id: string; readonly role: string; readonly collections?: readonly string[] }[]
}

const allowed: Readonly<Record<string, string>> = {
  read: 'search and look',
  write: 'also add and delete documents and records',
  admin: 'also make, delete, restore and branch collections',
}

export function KeysPage() {
  const { api, notify } = useConsole()
  const { value, error, reload } = useLoad((signal) => api.get<KeysAnswer>('/v1/keys', {}, signal), [api.key])
  const [typed, setTyped] = useState('')
  const isRefused = error?.kind === 'unauthenticated'
  return (
    <div class="page">
      <div class="head">
        <div>
          <h1>Access keys</h1>
          <p>Who may do what on this server. Secrets are never shown.</p>
        </div>
      </div>
      {error && !isRefused && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {(isRefused || (value && !value.isOpen)) && (
        <form
          class="panel"
          onSubmit={(event) => {
            event.preventDefault()
            api.key = typed.trim()
            setTyped('')
          }}
        >
          <h2>{isRefused ? (api.key === null ? 'This server needs a key' : 'That key is not one of this server') : 'Another key'}</h2>
          <Refusal error={error} hasKey={api.key !== null} />
          <div class="row">
            {/* The name is for password managers; a key's id is not needed. */}
            <input class="grow" type="password" required aria-label="Secret of a key" placeholder="Secret" autocomplete="current-password" autoFocus={isRefused} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
            <button type="submit" class="primary">
              Use it
            </button>
            {api.key !== null && (
              <button
                type="button"
                onClick={() => {
                  api.key = null
                  notify('The key is forgotten')
                }}
              >
                Forget it
              </button>
            )}
          </div>
          <small class="quiet">Kept in this tab until it is closed, and sent to this server only.</small>
        </form>
      )}
      {value?.isOpen && (
        <div class="note">
          <strong>No keys are configured</strong>
          <p>This machine alone is answered, and may do everything. To open the server to others, give it keys:</p>
          <pre>{`export WINDLASS_KEYS='[{"id": "app", "secret": "at-least-16-characters", "role": "write"}]'`}</pre>
        </div>
      )}
      {value && !value.isOpen && (
        <p class="panel">
          <span>
            You are <strong dir="auto">{value.caller.id}</strong>: role {value.caller.role} ({allowed[value.caller.role]}){value.caller.isUnscoped ? '' : ', for some collections'}.
          </span>
        </p>
      )}
      {value?.keys && value.keys.length > 0 && (
        <div class="panel scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Id</th>
                <th scope="col">Role</th>
                <th scope="col">May</th>
                <th scope="col">Collections</th>
              </tr>
            </thead>
            <tbody>
              {value.keys.map(({ id, role, collections }) => (
                <tr key={id}>
                  <td class="wide">{id}</td>
                  <td>
                    <span class={role === 'admin' ? 'tag on' : 'tag'}>{role}</span>
                  </td>
                  <td class="quiet">{allowed[role]}</td>
                  <td class="wide">{collections?.join(', ') ?? 'all'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value && !value.isOpen && !value.keys && <p class="quiet">A key of role admin, for all collections, sees which keys there are.</p>}
    </div>
  )
}

function Refusal({ error, hasKey }: { error: ApiError | undefined; hasKey: boolean }) {
  if (error?.kind !== 'unauthenticated' || !hasKey) return null
  return (
    <p class="bad" role="alert">
      {error.message}
    </p>
  )
}
