import type { Clock } from '../../base/clock.ts'
import type { SyncState, WorkerState } from '../state/sync-state.ts'
import type { VectorizeContext } from './context.ts'

interface Watched {
  readonly state: WorkerState
  /** On our own clock that never goes back: when this beat was first seen. */
  readonly since: number
}

/** Who else works on a vectorizer. No clock but our own decides who has died: a beat that we saw stand still for the timeout. */
export class Peers {
  readonly #state: SyncState
  readonly #clock: Clock
  readonly #process: VectorizeContext['process']
  readonly #timeoutMs: number
  readonly #watched = new Map<string, Watched>()
  #lookedAt = -Infinity

  constructor(state: SyncState, { clock, process, timeoutMs }: { clock: Clock; process: VectorizeContext['process']; timeoutMs: number }) {
    this.#state = state
    this.#clock = clock
    this.#process = process
    this.#timeoutMs = timeoutMs
  }

  /** Looks at all workers' signs of life, a few times in a timeout at most. */
  async look({ isForced = false }: { isForced?: boolean } = {}): Promise<void> {
    const now = this.#clock.monotonic()
    if (!isForced && now - this.#lookedAt < this.#timeoutMs / 4) return
    this.#lookedAt = now
    const states = await this.#state.workers()
    for (const id of this.#watched.keys()) if (!states.some((state) => state.id === id)) this.#watched.delete(id)
    for (const state of states) {
      const known = this.#watched.get(state.id)
      if (known?.state.beat !== state.beat) this.#watched.set(state.id, { state, since: now })
    }
  }

  /** Whether a worker will not finish what it claimed. One that has no row any more has ended. */
  isDead(id: string): boolean {
    const known = this.#watched.get(id)
    if (!known) return true
    const { host, pid } = known.state
    if (host === this.#process.host && !this.#process.isAlive(pid)) return true
    return this.#clock.monotonic() - known.since >= this.#timeoutMs
  }

  /** Workers that have died and left their rows. */
  dead(): string[] {
    return [...this.#watched.keys()].filter((id) => this.isDead(id))
  }

  live(): WorkerState[] {
    return [...this.#watched.values()].filter(({ state }) => !this.isDead(state.id)).map(({ state }) => state)
  }
}
