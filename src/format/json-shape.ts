import { fromUtf8 } from '../base/bytes.ts'
import { WindlassError, type ErrorKind } from '../base/errors.ts'

/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A parsed JSON object whose members are not checked yet. */
export type JsonObject = Record<string, unknown>

/** Checks parsed JSON member by member; a failure names the object, the path, what was expected and what was found. */
export class JsonShape {
  readonly #kind: ErrorKind
  readonly #subject: string
  readonly #key: string

  /**
   * @param kind `corrupt` for what was read, `invalid` for what is about to be written.
   * @param subject What is checked, for messages.
   */
  constructor(kind: ErrorKind, subject: string, key: string) {
    this.#kind = kind
    this.#subject = subject
    this.#key = key
  }

  /** @throws {WindlassError} always. */
  fail(path: string, expected: string, found: unknown): never {
    const text = found === undefined ? 'nothing' : (JSON.stringify(found) ?? typeof found)
    const short = text.length > 80 ? `${text.slice(0, 80)}…` : text
    throw new WindlassError(
      this.#kind,
      `${this.#key}: ${this.#subject} has ${short} at ${path}, expected ${expected}`,
      { key: this.#key, path },
    )
  }

  object(value: unknown, path: string): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail(path, 'an object', value)
    return value as JsonObject
  }

  /** Checks a list and each of its items. */
  list(value: unknown, path: string, check: (item: unknown, path: string) => void, countMax = Infinity): void {
    if (!Array.isArray(value)) this.fail(path, 'a list', value)
    if (value.length > countMax) this.fail(`${path}.length`, `at most ${countMax}`, value.length)
    // Not forEach, which skips the holes of a sparse array.
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`)
  }

  text(value: unknown, path: string): string {
    if (typeof value !== 'string') this.fail(path, 'a string', value)
    return value
  }

  /** An id becomes part of object keys, so it may hold neither a slash nor anything else with a meaning there. */
  id(value: unknown, path: string): string {
    if (typeof value !== 'string' || !idPattern.test(value)) this.fail(path, 'an id of letters, digits, _ and -', value)
    return value
  }

  nonce(value: unknown, path: string): string {
    if (typeof value !== 'string' || !noncePattern.test(value)) this.fail(path, '32 hexadecimal digits', value)
    return value
  }

  integer(value: unknown, path: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      this.fail(path, `an integer of ${min} to ${max}`, value)
    }
    return value as number
  }

  finite(value: unknown, path: string): number {
    if (typeof value !== 'number' || !Number.isFinite(value)) this.fail(path, 'a finite number', value)
    return value
  }

  oneOf(value: unknown, path: string, choices: readonly unknown[]): void {
    if (!choices.includes(value)) this.fail(path, choices.map((choice) => JSON.stringify(choice)).join(' or '), value)
  }

  /** Plain JSON all the way down, of at most `depthMax` levels. */
  json(value: unknown, path: string, depthMax = 32): void {
    if (depthMax === 0) this.fail(path, 'fewer levels', value)
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return
    if (typeof value === 'number' && Number.isFinite(value)) return
    if (Array.isArray(value)) return this.list(value, path, (item, itemPath) => this.json(item, itemPath, depthMax - 1))
    if (typeof value !== 'object') this.fail(path, 'plain JSON', typeof value)
    for (const [name, member] of Object.entries(value)) this.json(member, `${path}.${name}`, depthMax - 1)
  }
}

const idPattern = /^[A-Za-z0-9_-]{1,64}$/
const noncePattern = /^[0-9a-f]{32}$/

/** @throws {WindlassError} `corrupt` for bytes that are not JSON in UTF-8. */
export function parseJson(bytes: Uint8Array, subject: string, key: string): unknown {
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch (cause) {
    throw new WindlassError('corrupt', `${key}: ${subject} is not JSON`, { key, cause })
  }
}
