import { isWindlassError, messageOf } from '../../base/errors.ts'
import { Catalog } from '../catalog.ts'
import type { CollectionCore } from '../core.ts'
import { MaintenanceLease } from './lease.ts'
import { merge } from './merge.ts'
import { pickMerge } from './pick-merge.ts'
import { sweep } from './sweep.ts'
import { sweepTrash } from './trash.ts'

/** A process that lives shorter than a grace period looks for a sweep when it puts each so many-th version of the manifest. */
const versionsPerLook = 32
const mergesMax = 16

/**
 * What rides on a flush: merging what is due and sweeping what is due, in one process at a time. Nothing of it runs by itself, so
 * an idle collection costs no request (docs/protocol.md, C4).
 */
export class Maintenance {
  readonly #core: CollectionCore
  readonly #lease: MaintenanceLease
  #running: Promise<void> | null = null
  #lookedAt: number
  #isStopped = false

  constructor(core: CollectionCore) {
    this.#core = core
    this.#lease = new MaintenanceLease(core)
    this.#lookedAt = core.context.clock.monotonic()
  }

  /** Does what is due, in the background. Failures are kept in the core: the next flush tries again. */
  start(): void {
    if (this.#isStopped || this.#running) return
    this.#running = this.#run()
      .catch((error: unknown) => void (this.#core.maintenanceError = messageOf(error)))
      .finally(() => (this.#running = null))
  }

  /** Resolves when nothing runs. @param isLast Nothing new is begun, also not the next of several merges. */
  async settle({ isLast = false }: { isLast?: boolean } = {}): Promise<void> {
    this.#isStopped ||= isLast
    await this.#running
  }

  async #run(): Promise<void> {
    const { manifest } = await this.#core.open()
    const isMergeDue = pickMerge(manifest.segments, this.#core.context.settings) !== null
    const isSweepDue = this.#isSweepDue(manifest.version)
    if (manifest.state !== 'live' || (!isMergeDue && !isSweepDue)) return
    if (!(await this.#lease.acquire())) return
    try {
      const onProgress = () => this.#lease.renew()
      for (let count = 0; count < mergesMax && !this.#isStopped; count++) if (!(await merge(this.#core, { onProgress }))) break
      if (isSweepDue && !this.#isStopped) await this.#sweep()
    } finally {
      await this.#lease.release()
    }
  }

  #isSweepDue(version: number): boolean {
    const { clock, settings } = this.#core.context
    return clock.monotonic() - this.#lookedAt >= settings.graceMs || version % versionsPerLook === 0
  }

  async #sweep(): Promise<void> {
    this.#lookedAt = this.#core.context.clock.monotonic()
    try {
      await sweep(this.#core)
      await sweepTrash(this.#core.context, new Catalog(this.#core.context))
    } catch (error) {
      // A store without times cannot be swept; everything else works there.
      if (!isWindlassError(error, 'unsupported')) throw error
    }
  }
}
