import { readFileSync, statSync } from 'node:fs'
import { messageOf, WindlassError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { parseKeys, type AccessKey, type KeySource } from '../api/access.ts'
import type { Log } from './log.ts'

const checkIntervalMs = 1000

/** The configured keys: a JSON list, or `@file` with one, which is read again when it changes. */
export class KeyRing implements KeySource {
  readonly #path: string | null
  readonly #clock: Clock
  readonly #log: Log
  #keys: readonly AccessKey[]
  #fingerprint = ''
  #checkedAt: number

  /** @throws {WindlassError} `invalid` for a list that cannot be used. */
  constructor(setting: string | undefined, { clock, log }: { clock: Clock; log: Log }) {
    this.#clock = clock
    this.#log = log
    this.#checkedAt = clock.monotonic()
    this.#path = setting?.startsWith('@') ? setting.slice(1) : null
    if (this.#path !== null) {
      this.#keys = this.#read(this.#path)
      if (this.#keys.length === 0) throw new WindlassError('invalid', `${this.#path} has no keys: add one, or unset WINDLASS_KEYS`, { path: 'keys' })
    } else this.#keys = setting === undefined ? [] : parseKeys(setting, 'WINDLASS_KEYS')
  }

  keys(): readonly AccessKey[] {
    if (this.#path !== null && this.#clock.monotonic() - this.#checkedAt >= checkIntervalMs) {
      this.#checkedAt = this.#clock.monotonic()
      this.#refresh(this.#path)
    }
    return this.#keys
  }

  /** Takes over a changed file; one that cannot be used leaves the keys as they are. Never opens the doors. */
  #refresh(path: string): void {
    try {
      if (fingerprintOf(path) === this.#fingerprint) return
      const keys = this.#read(path)
      if (keys.length === 0) throw new WindlassError('invalid', `${path} has no keys`)
      this.#keys = keys
      this.#log.info('keys read again', { count: keys.length })
    } catch (error) {
      this.#log.error(`keys stay as they were: ${messageOf(error)}`)
    }
  }

  #read(path: string): AccessKey[] {
    this.#fingerprint = fingerprintOf(path)
    try {
      return parseKeys(readFileSync(path, 'utf8'), path)
    } catch (cause) {
      if (cause instanceof WindlassError) throw cause
      throw new WindlassError('invalid', `the file of keys cannot be read: ${messageOf(cause)}`, { path: 'keys', cause })
    }
  }
}

function fingerprintOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path)
    return `${mtimeMs}-${size}-${ino}`
  } catch (cause) {
    throw new WindlassError('invalid', `the file of keys cannot be read: ${messageOf(cause)}`, { path: 'keys', cause })
  }
}
