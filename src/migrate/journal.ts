import { fromUtf8, toUtf8 } from '../base/bytes.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { Problem } from './record.ts'
import type { Position } from './source.ts'

/** What a migration is, as its first run decided. */
export interface JournalHead {
  readonly version: 1
  readonly from: string
  readonly to: string
  /** Whether vectors are taken over, or made anew from the files. */
  readonly mode: 'reuse' | 'embed'
  readonly dimension: number | null
  readonly metric: string
  /** What made the vectors; null where nobody knows. */
  readonly model: string | null
  /** Whether the migration made the collection or index: a rollback then takes it away, if nothing else is in it. */
  readonly created: boolean
  readonly state: 'running' | 'done' | 'rolling-back'
  /** Grows when a finished migration is run again. */
  readonly pass: number
  readonly startedAt: string
  /** Names the folder of its steps, so that what a run puts that outlived a rollback is no step of the next; absent in what older versions wrote. */
  readonly nonce?: string
}

/** One step: what it takes from the source, and what of it the destination did not have. Written before the destination is. */
export interface JournalPage {
  readonly from: Position | null
  readonly to: Position
  readonly isDone: boolean
  /** Key and fingerprint of what this migration wrote, or is about to. */
  readonly written: readonly (readonly [key: string, fingerprint: string])[]
  /** Was there already, equal in every part. */
  readonly unchanged: readonly string[]
  /** Was there already, and different: it stays. */
  readonly kept: readonly string[]
  /** Ids that an earlier record had: the first in the order of the source counts. */
  readonly duplicates: readonly string[]
  readonly problems: readonly Problem[]
  /** Files that could not be taken, and may have left a document that says so. */
  readonly failed?: readonly string[]
}

/** A page, and where it is. */
export interface NotedPage {
  readonly number: number
  readonly page: JournalPage
  readonly etag: string
}

const readsAtOnce = 16

/**
 * What a migration has done so far, in the destination's bucket: `migrations/<id>/head`, and a small object for each step. A step is noted
 * before it is taken, and marked when it is done, so that a killed run leaves at most a few steps to be looked at again; and everything
 * that was written can be named, and taken back. Two runs at once meet at the number of the next page, which only one of them gets.
 */
export class Journal {
  readonly #store: ObjectStore
  readonly #prefix: string
  #headEtag: string | null = null

  constructor(store: ObjectStore, id: string) {
    this.#store = store
    this.#prefix = `migrations/${id}/`
  }

  async readHead(): Promise<JournalHead | null> {
    const answer = await this.#store.get(`${this.#prefix}head`, { fresh: true })
    if (answer.kind !== 'found') return null
    this.#headEtag = answer.etag
    return parse<JournalHead>(answer.bytes, `${this.#prefix}head`)
  }

  /** Replaces the head that was read last, or makes it. @throws {WindlassError} `conflict` when another run did meanwhile. */
  async writeHead(head: JournalHead): Promise<void> {
    const condition = this.#headEtag === null ? ({ ifAbsent: true } as const) : { ifMatch: this.#headEtag }
    this.#headEtag = (await this.#put('head', head, condition)).etag
  }

  /** Looks whether the head is still what was read or written last. @throws {WindlassError} `conflict` where a rollback or another run replaced it. */
  async expectHead(): Promise<void> {
    const key = `${this.#prefix}head`
    const answer = await this.#store.get(key, { fresh: true })
    if (answer.kind !== 'found' || answer.etag !== this.#headEtag) throw new WindlassError('conflict', `a rollback or another run of this migration is at work (${key}): this one stops`, { key })
  }

  /** Pages of a pass in their order, read many at once. */
  async *pages(folder: PageFolder): AsyncGenerator<NotedPage> {
    const waiting: Promise<NotedPage | null>[] = []
    for await (const { key } of this.#store.list(this.#prefix + pagePrefix(folder))) {
      waiting.push(this.#readPage(key))
      waiting.at(-1)!.catch(() => undefined)
      if (waiting.length >= readsAtOnce) yield* some(await waiting.shift()!)
    }
    for (const each of waiting) yield* some(await each)
  }

  /** @returns its etag, for `replacePage`. @throws {WindlassError} `conflict` when another run has this number. */
  async addPage(folder: PageFolder, number: number, page: JournalPage): Promise<string> {
    return (await this.#put(pageName(folder, number), page, { ifAbsent: true })).etag
  }

  /** Replaces a page that is as it was added or read. @returns its new etag. @throws {WindlassError} `conflict` when another run did, or a rollback took it away. */
  async replacePage(folder: PageFolder, number: number, page: JournalPage, etag: string): Promise<string> {
    return (await this.#put(pageName(folder, number), page, { ifMatch: etag })).etag
  }

  /** Takes the next number, so that a run that is still at work fails at its next step. @returns the number. */
  async fence(folder: PageFolder, position: Position): Promise<number> {
    for (;;) {
      let next = 0
      for await (const { key } of this.#store.list(this.#prefix + pagePrefix(folder))) next = Number(key.slice(key.lastIndexOf('/') + 1)) + 1
      const empty = { from: null, to: position, isDone: true, written: [], unchanged: [], kept: [], duplicates: [], problems: [] }
      try {
        await this.addPage(folder, next, empty)
        return next
      } catch (error) {
        if (!isWindlassError(error, 'conflict')) throw error
      }
    }
  }

  async deletePages(folder: PageFolder, numbers: readonly number[]): Promise<void> {
    await this.#store.delete(numbers.map((number) => `${this.#prefix}${pageName(folder, number)}`))
  }

  async deleteHead(): Promise<void> {
    await this.#store.delete([`${this.#prefix}head`])
    this.#headEtag = null
  }

  async #readPage(key: string): Promise<NotedPage | null> {
    const answer = await this.#store.get(key, { fresh: true })
    return answer.kind === 'found' ? { number: Number(key.slice(key.lastIndexOf('/') + 1)), page: parse<JournalPage>(answer.bytes, key), etag: answer.etag } : null
  }

  async #put(name: string, value: unknown, condition: { ifAbsent: true } | { ifMatch: string }): Promise<{ etag: string }> {
    const key = this.#prefix + name
    const bytes = encode(value)
    try {
      return await this.#store.put(key, bytes, { condition, contentType: 'application/json' })
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      // An answer that was lost on the way: it may be what we wrote.
      const answer = await this.#store.get(key, { fresh: true })
      if (answer.kind === 'found' && fromUtf8(answer.bytes) === fromUtf8(bytes)) return answer
      if (isWindlassError(error, 'outcome-unknown')) throw error
      throw new WindlassError('conflict', `another run of this migration is at work (${key}): let it finish, or end it and start again`, { key, cause: error })
    }
  }
}

/** Whose steps: a pass of a migration. */
export type PageFolder = Pick<JournalHead, 'pass' | 'nonce'>

function pagePrefix({ pass, nonce }: PageFolder): string {
  return `pages/${nonce === undefined ? '' : `${nonce}/`}${String(pass).padStart(4, '0')}/`
}

function pageName(folder: PageFolder, number: number): string {
  return pagePrefix(folder) + String(number).padStart(9, '0')
}

function encode(value: unknown): Uint8Array {
  return toUtf8(JSON.stringify(value))
}

function parse<Value>(bytes: Uint8Array, key: string): Value {
  try {
    return JSON.parse(fromUtf8(bytes)) as Value
  } catch (cause) {
    throw new WindlassError('corrupt', `${key} is not what a migration wrote: look at it, and delete everything below ${key.split('/').slice(0, 2).join('/')}/ to start anew`, { key, cause })
  }
}

function* some<Value>(value: Value | null): Generator<Value> {
  if (value !== null) yield value
}
