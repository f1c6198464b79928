import { isWindlassError } from '../../base/errors.ts'
import { chunksOf } from '../../base/groups.ts'
import { limits } from '../../base/limits.ts'
import { parseFilter } from '../../engine/query/filter.ts'
import type { Operation, RowView } from '../../engine/types.ts'
import type { CollectionDoor } from '../run/context.ts'
import { boundedKey, decodeFileState, encodeFileState, fileKey, type FileState } from './file-state.ts'

/** A row of the state as it was read. */
export interface Versioned<Value> {
  readonly value: Value
  readonly version: string
}

/** Who works on a document. An economy: what keeps two from losing each other's work is the condition on the document's row. */
export interface Claim {
  readonly path: string
  readonly worker: string
}

/** What is known of a path: its row, and who claims it. */
export interface PathState {
  readonly file: Versioned<FileState> | null
  readonly claim: Versioned<Claim> | null
}

/** A sign of life. A worker whose `beat` stands still has died, or as good as. */
export interface WorkerState {
  readonly id: string
  readonly beat: number
  readonly host: string
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

/** How the source stood when everything of it was done; what is kept of the last runs. */
export interface RunRecord {
  readonly id: string
  readonly startedAt: number
  readonly endedAt: number
  readonly report: unknown
}

const runsKept = 20
const writeAtOnce = 500
const conditionAttemptsMax = 8

/**
 * What a vectorizer remembers, as rows of a collection in the bucket: replaced one by one on condition that nobody else did meanwhile,
 * in one commit where several go together. A million documents are a few segments, of which a run reads what it asks for.
 */
export class SyncState {
  readonly #door: CollectionDoor

  constructor(door: CollectionDoor) {
    this.#door = door
  }

  /** Rows and claims of paths, in their order. @param options.isFresh Sees what any process wrote before; otherwise as of some seconds ago. */
  async look(paths: readonly string[], { isFresh = true }: { isFresh?: boolean } = {}): Promise<PathState[]> {
    const keys = [...paths.map(fileKey), ...paths.map(claimKey)]
    const rows = await this.#get(keys, isFresh)
    return paths.map((_, i) => {
      const [file, claim] = [rows[i], rows[paths.length + i]]
      return { file: file ? { value: decodeFileState(file), version: file.version } : null, claim: claim ? { value: json<Claim>(claim), version: claim.version } : null }
    })
  }

  /** Rows alone, as of some seconds ago: for a comparison that is repeated before anything is done. */
  async files(paths: readonly string[]): Promise<(Versioned<FileState> | null)[]> {
    const rows = await this.#get(paths.map(fileKey), false)
    return rows.map((row) => row && { value: decodeFileState(row), version: row.version })
  }

  /** All documents, or those in one state. */
  async *all(state?: FileState['state']): AsyncIterable<Versioned<FileState>> {
    const filter = parseFilter({ kind: 'file', ...(state && { state }) })
    for (let after: string | undefined; ; ) {
      const { rows, next } = await this.#door.run((collection) =>
        collection.list({ space: 'documents', filter, limit: limits.listPageMax, include: { metadata: true, document: true }, ...(after !== undefined && { after }) }),
      )
      for (const row of rows) yield { value: decodeFileState(row), version: row.version }
      if (next === undefined) return
      after = next
    }
  }

  /** Documents whose keys are not known to `isKnown`; of the others only the keys are read. */
  async *without(isKnown: (key: string) => boolean): AsyncIterable<FileState> {
    const filter = parseFilter({ kind: 'file' })
    for (let after: string | undefined; ; ) {
      const { rows, next } = await this.#door.run((collection) => collection.list({ space: 'documents', filter, limit: limits.listPageMax, ...(after !== undefined && { after }) }))
      const unknown = rows.map(({ key }) => key).filter((key) => !isKnown(key))
      if (unknown.length > 0) for (const row of await this.#get(unknown, true)) if (row) yield decodeFileState(row)
      if (next === undefined) return
      after = next
    }
  }

  async count(state: FileState['state']): Promise<number> {
    return this.#count({ kind: 'file', state })
  }

  async countClaims(): Promise<number> {
    return this.#count({ kind: 'claim' })
  }

  /**
   * Claims paths for a worker, as far as they are as they were looked at.
   * @returns Those that are claimed now; the others were taken or done by somebody else meanwhile.
   */
  async claim(worker: string, wanted: readonly { path: string; seen: PathState }[]): Promise<string[]> {
    if (wanted.length === 0) return []
    const conditions = wanted.flatMap(({ path, seen }) => [
      { space: 'documents' as const, key: fileKey(path), version: seen.file?.version ?? null },
      { space: 'documents' as const, key: claimKey(path), version: seen.claim?.version ?? null },
    ])
    const operations = wanted.map(({ path }) => put(claimKey(path), 'claim', { path, worker } satisfies Claim))
    try {
      await this.#door.run((collection) => collection.write({ operations, conditions }))
      return wanted.map(({ path }) => path)
    } catch (error) {
      if (!isWindlassError(error, 'conflict')) throw error
      const now = await this.look(wanted.map(({ path }) => path))
      const left = wanted.filter(({ seen }, i) => now[i]!.file?.version === seen.file?.version && now[i]!.claim?.version === seen.claim?.version)
      // All of them still as they were: the outcome was unknown to the engine, or another look is due.
      return left.length < wanted.length ? this.claim(worker, left) : []
    }
  }

  async release(paths: readonly string[]): Promise<void> {
    for (const part of chunksOf(paths, writeAtOnce)) await this.#write(part.map((path) => ({ op: 'delete', space: 'documents', key: claimKey(path) })))
  }

  /**
   * Replaces what is known of documents, and lets their claims go, all or nothing.
   * @param changes `next` null forgets the document. `seen` is its version when the work on it began.
   * @throws {WindlassError} `conflict` when one of them is not as it was seen: somebody else did it.
   */
  async finish(changes: readonly { path: string; seen: string | null; next: FileState | null }[]): Promise<void> {
    const operations = changes.flatMap(({ path, next }): Operation[] => [
      next ? { op: 'put', space: 'documents', row: encodeFileState(next) } : { op: 'delete', space: 'documents', key: fileKey(path) },
      { op: 'delete', space: 'documents', key: claimKey(path) },
    ])
    const conditions = changes.map(({ path, seen }) => ({ space: 'documents' as const, key: fileKey(path), version: seen }))
    await this.#door.run((collection) => collection.write({ operations, conditions }))
  }

  /** Changes documents one at a time where they stand, whoever else changes them meanwhile. */
  async update(path: string, change: (file: FileState) => FileState): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const [seen] = await this.look([path])
      if (!seen!.file) return
      try {
        const operations: Operation[] = [{ op: 'put', space: 'documents', row: encodeFileState(change(seen!.file.value)) }]
        const conditions = [{ space: 'documents' as const, key: fileKey(path), version: seen!.file.version }]
        await this.#door.run((collection) => collection.write({ operations, conditions }))
        return
      } catch (error) {
        if (!isWindlassError(error, 'conflict') || attempt === conditionAttemptsMax) throw error
      }
    }
  }

  /** A worker's sign of life. */
  async beat(worker: WorkerState): Promise<void> {
    await this.#write([put(`w${worker.id}`, 'worker', worker)])
  }

  async workers(): Promise<WorkerState[]> {
    return (await this.#list('worker')).map(json<WorkerState>)
  }

  /** Forgets workers: those that ended, and those found dead, once what they claimed is done. */
  async dismiss(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#write(ids.map((id) => ({ op: 'delete', space: 'documents', key: `w${id}` })))
  }

  async claims(): Promise<Claim[]> {
    return (await this.#list('claim')).map(json<Claim>)
  }

  /** The cursor of the last listing of which everything was done, if it was made under this recipe. */
  async cursor(recipe: string): Promise<string | undefined> {
    const [row] = await this.#get(['cursor'], true)
    const known = row && json<{ recipe: string; cursor: string }>(row)
    return known?.recipe === recipe ? known.cursor : undefined
  }

  async setCursor(recipe: string, cursor: string): Promise<void> {
    await this.#write([put('cursor', 'cursor', { recipe, cursor })])
  }

  /** The own dimension of an embedding model behind an API, as an earlier run found it. */
  async modelDimension(model: string): Promise<number | undefined> {
    const [row] = await this.#get(['model'], false)
    const known = row && json<{ model: string; dimension: number }>(row)
    return known?.model === model ? known.dimension : undefined
  }

  async setModelDimension(model: string, dimension: number): Promise<void> {
    await this.#write([put('model', 'model', { model, dimension })])
  }

  /** Keeps a run's report, and lets the oldest go. */
  async noteRun(run: RunRecord): Promise<void> {
    const known = (await this.runs()).slice(runsKept - 1)
    await this.#write([put(`r${run.id}`, 'run', run), ...known.map(({ id }): Operation => ({ op: 'delete', space: 'documents', key: `r${id}` }))])
  }

  /** Newest first. */
  async runs(): Promise<RunRecord[]> {
    return (await this.#list('run')).map(json<RunRecord>).sort((a, b) => b.endedAt - a.endedAt)
  }

  async #list(kind: string): Promise<RowView[]> {
    const found: RowView[] = []
    const filter = parseFilter({ kind })
    for (let after: string | undefined; ; ) {
      const { rows, next } = await this.#door.run((collection) => collection.list({ space: 'documents', filter, limit: limits.listPageMax, include: { document: true }, ...(after !== undefined && { after }) }))
      found.push(...rows)
      if (next === undefined) return found
      after = next
    }
  }

  #count(where: Record<string, unknown>): Promise<number> {
    return this.#door.run((collection) => collection.count({ space: 'documents', filter: parseFilter(where) }))
  }

  #get(keys: readonly string[], isFresh: boolean): Promise<(RowView | null)[]> {
    return this.#door.run((collection) => collection.get(keys, { space: 'documents', consistency: isFresh ? 'strong' : 'eventual', include: { metadata: true, document: true } }))
  }

  async #write(operations: Operation[]): Promise<void> {
    await this.#door.run((collection) => collection.write({ operations }))
  }
}

function claimKey(path: string): string {
  return boundedKey('c', path)
}

function put(key: string, kind: string, value: unknown): Operation {
  return { op: 'put', space: 'documents', row: { key, metadata: { kind }, document: JSON.stringify(value) } }
}

function json<Value>(row: RowView): Value {
  return JSON.parse(row.document!) as Value
}
