import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ModelEvent } from '../models/context.ts'
import type { ModelStore } from '../models/model-store.ts'
import { openModelStore, type ModelStoreSettings } from '../models/open-model-store.ts'
import type { ModelStoreState } from '../models/store-state.ts'
import { isLoopback } from '../api/request-guard.ts'
import type { Log } from './log.ts'

const closeWaitMs = 10_000

/** The model store of a server: opened when something first needs a model, told about in log, metrics and health from then on. */
export class ModelDoor {
  readonly #settings: ModelStoreSettings
  readonly #shared: { clock: Clock; random: Random }
  readonly #log: Log
  readonly #warned = new Set<string>()
  #opening: Promise<ModelStore> | null = null
  #open: ModelStore | null = null

  constructor(settings: ModelStoreSettings, { log, ...shared }: { clock: Clock; random: Random; log: Log }) {
    this.#settings = settings
    this.#shared = shared
    this.#log = log
  }

  store(): Promise<ModelStore> {
    this.#opening ??= openModelStore(this.#settings, { ...this.#shared, onEvent: (event) => this.#tell(event) }).then((store) => (this.#open = store))
    return this.#opening
  }

  /** Null until the store is used. */
  state(): Promise<ModelStoreState> | null {
    return this.#open && this.#open.state()
  }

  /** What fails is not ok; what is about to is told, and still ok. */
  async checks(): Promise<{ name: string; ok: boolean; detail: string }[]> {
    const state = await this.state()
    if (!state) return []
    const problems = Object.values(state.problems)
    const detail = state.warnings.length > 0 ? state.warnings.join('; ') : `${state.usedBytes} of ${state.budgetBytes} bytes on the local disk, ${state.pinnedBytes} in use`
    return [{ name: 'models', ok: problems.length === 0, detail }]
  }

  async close(): Promise<void> {
    await (await this.#opening)?.close({ waitMs: closeWaitMs })
  }

  #tell(event: ModelEvent): void {
    if (event.event === 'problem') this.#log.warn(`models: ${event.message}`, { what: event.what })
    else this.#log.info(`model file ${event.event}`, { repository: event.repository, path: event.path, bytes: event.bytes, ms: Math.round(event.ms), ...(event.event === 'fetched' && { tier: event.tier }) })
    if (event.event !== 'fetched' || !this.#open) return
    void this.#open.state().then(({ warnings }) => {
      for (const warning of warnings) if (!this.#warned.has(warning)) this.#log.warn(`models: ${warning}`)
      this.#warned.clear()
      for (const warning of warnings) this.#warned.add(warning)
    }, () => undefined)
  }
}

/** Whether a hub's URL is the door of this very server, which would ask itself. */
export function isOwnDoor(endpoint: string, port: number): boolean {
  if (!URL.canParse(endpoint)) return false
  const url = new URL(endpoint)
  return isLoopback(url.hostname) && Number(url.port || 80) === port && /^\/hf\/?$/.test(url.pathname)
}
