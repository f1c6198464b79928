import type { FunctionComponent } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Api } from './api.ts'
import { CollectionPage } from './pages/collection.tsx'
import { CollectionsPage } from './pages/collections.tsx'
import { DocumentsPage } from './pages/documents.tsx'
import { AudioPage } from './pages/audio.tsx'
import { KeysPage } from './pages/keys.tsx'
import { MapPage } from './pages/map.tsx'
import { ModelsPage } from './pages/models.tsx'
import { SearchPage } from './pages/search.tsx'
import { VectorizersPage } from './pages/vectorizers.tsx'
import { ConsoleContext, useConsole, type Console } from './parts/context.ts'
import { Icon, type IconName } from './parts/icon.tsx'
import { asApiError } from './parts/load.ts'
import { hrefOf, usePlace, type Place } from './router.ts'
import { currentTheme, setTheme, type Theme } from './theme.ts'

const pages: readonly { id: string; name: string; icon: IconName; page: FunctionComponent<{ place: Place }> }[] = [
  { id: 'search', name: 'Search', icon: 'search', page: SearchPage },
  { id: 'collections', name: 'Collections', icon: 'collections', page: CollectionsPage },
  { id: 'documents', name: 'Documents', icon: 'documents', page: DocumentsPage },
  { id: 'map', name: 'Map', icon: 'map', page: MapPage },
  { id: 'vectorizers', name: 'Vectorizers', icon: 'vectorizers', page: VectorizersPage },
  { id: 'models', name: 'Models', icon: 'models', page: ModelsPage },
  { id: 'audio', name: 'Audio', icon: 'audio', page: AudioPage },
  { id: 'keys', name: 'Access keys', icon: 'keys', page: KeysPage },
]

interface Toast {
  readonly id: number
  readonly message: string
  readonly kind: 'done' | 'wrong'
}

const toastMs = 6000
/** A browser has begun to keep a file long before. */
const downloadMs = 60_000

export function App({ api }: { api: Api }) {
  const place = usePlace()
  const [toasts, setToasts] = useState<readonly Toast[]>([])
  const [keyRound, setKeyRound] = useState(0)
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  const console = useMemo<Console>(() => {
    let id = 0
    return {
      api,
      notify(message, kind = 'done') {
        const toast = { id: id++, message, kind }
        setToasts((all) => [...all.slice(-3), toast])
        setTimeout(() => setToasts((all) => all.filter((each) => each !== toast)), toastMs)
      },
    }
  }, [api])
  useEffect(() => api.onKeyChange(() => setKeyRound((n) => n + 1)), [api])
  const current = pages.find(({ id }) => id === place.page) ?? pages[0]!
  useEffect(() => {
    document.title = `${current.name} · Windlass`
    // Who reads by ear is told that the page is another one; the first is read anyway.
    if (!isFirst.current) main.current?.focus()
    isFirst.current = false
  }, [current])
  const isOne = current.id === 'collections' && place.parts.length > 0
  const Page = isOne ? CollectionPage : current.page
  return (
    <ConsoleContext.Provider value={console}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header class="side">
        <a class="brand" href={hrefOf('search')}>
          <Mark />
          Windlass
        </a>
        <nav class="pages" aria-label="Pages">
          {pages.map(({ id, name, icon }) => (
            <a key={id} href={hrefOf(id)} {...(id === current.id && { 'aria-current': 'page' as const })}>
              <Icon name={icon} />
              {name}
            </a>
          ))}
        </nav>
        <div class="foot">
          <ThemeSwitch />
          <a href="/docs/">Documentation</a>
          <ApiLink api={api} />
        </div>
      </header>
      <main ref={main} tabIndex={-1} aria-label={current.name}>
        <Page key={`${keyRound} ${isOne ? place.parts[0] : ''}`} place={place} />
      </main>
      <div class="toasts" role="status" aria-live="polite">
        {toasts.map(({ id, message, kind }) => (
          <p key={id} class={kind} dir="auto">
            {message}
          </p>
        ))}
      </div>
    </ConsoleContext.Provider>
  )
}

/** To the API's own description; where keys are configured, a link alone would be refused. */
function ApiLink({ api }: { api: Api }) {
  const open = async () => {
    const url = URL.createObjectURL(await (await api.fetch('GET', '/openapi.json')).blob())
    Object.assign(document.createElement('a'), { href: url, download: 'openapi.json' }).click()
    setTimeout(() => URL.revokeObjectURL(url), downloadMs)
  }
  const { notify } = useConsole()
  return (
    <a
      href="/openapi.json"
      onClick={(event) => {
        if (api.key === null) return
        event.preventDefault()
        open().catch((error: unknown) => notify(asApiError(error).message, 'wrong'))
      }}
    >
      API
    </a>
  )
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" fill="none" stroke="currentColor" aria-hidden="true">
      <circle cx="16" cy="16" r="8.5" stroke-width="3.5" />
      <path d="M16 1.500v29M1.5 16h29M5.7 5.700l20.6 20.600M26.3 5.7 5.7 26.3" stroke-width="2" stroke-linecap="round" />
    </svg>
  )
}

const themes: readonly { theme: Theme; name: string; icon: IconName }[] = [
  { theme: 'system', name: 'As the system', icon: 'system' },
  { theme: 'light', name: 'Light', icon: 'sun' },
  { theme: 'dark', name: 'Dark', icon: 'moon' },
]

function ThemeSwitch() {
  const [chosen, setChosen] = useState(currentTheme())
  return (
    <fieldset class="themes">
      <legend class="hidden">Colours</legend>
      {themes.map(({ theme, name, icon }) => (
        <label key={theme} title={name}>
          <input
            type="radio"
            name="theme"
            value={theme}
            checked={chosen === theme}
            onChange={() => {
              setTheme(theme)
              setChosen(theme)
            }}
          />
          <Icon name={icon} size={18} />
          <span class="hidden">{name}</span>
        </label>
      ))}
    </fieldset>
  )
}
