import { isWindlassError, messageOf } from '../../src/base/errors.ts'
import type { EngineCollection } from '../../src/engine/collection.ts'
import { schema } from '../../src/engine/testing.ts'
import type { Batch, Operation, RowView } from '../../src/engine/types.ts'
import type { Journal, Outcome, Request } from './journal.ts'
import { operationKinds, type HistoryPlan, type OperationKind } from './plan.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** The one name that all processes fight about. */
export const collectionName = 'c'

// No history is shorter than this.
const operationsMin = 220

/** What all clients of a history share. */
export interface Stage {
  readonly world: World
  readonly plan: HistoryPlan
  readonly journal: Journal
  readonly situation: { readonly operations: number }
  readonly ids: { next: number }
  /** Snapshots that were acknowledged, and not deleted. */
  readonly snapshots: { readonly name: string; readonly seq: number; readonly collectionId: string }[]
}

/** A row in one line, as the model prints it too. */
export function printRow({ key, version, metadata }: RowView): string {
  return `${key}@${version}=${printMetadata(metadata ?? {})}`
}

/** What tells one write of a row from every other: who put it, and who patched it last. */
export function printMetadata(metadata: Readonly<Record<string, unknown>>): string {
  return `${metadata.op}/${metadata.p ?? ''}/${metadata.group}`
}

/** One client: asks one thing after the other, and writes down what it was told. */
export class Client {
  readonly #stage: Stage
  readonly #process: SimProcess
  /** Versions it has seen, for conditions. */
  readonly #seen = new Map<string, string>()

  constructor(stage: Stage, process: SimProcess) {
    this.#stage = stage
    this.#process = process
  }

  async run(isFirst: boolean): Promise<void> {
    const { world, plan } = this.#stage
    if (isFirst || plan.allCreate) await this.create()
    else await this.#process.clock.sleep(world.between(0, 300))
    for (let left = plan.operationsPerClient; left > 0 || this.#stage.situation.operations < operationsMin; left--) {
      await this.#pause()
      if (plan.drops && world.happens(0.06)) {
        await this.drop()
        await this.create()
      }
      await this.#one(this.#drawKind())
    }
  }

  /** At the end, on a quiet network: it must work. */
  async finish(): Promise<void> {
    // Learns of a drop, if there was one: the collection that it had is not the one that the name stands for.
    await this.list('strong')
    await this.write({ operations: [this.#put(this.#key())] }, true)
    await this.list('strong', true)
  }

  /** Creates the collection, and may read it at once, several times, while others have found it already. */
  async create(): Promise<void> {
    const { plan, world } = this.#stage
    const created: EngineCollection[] = []
    await this.#ask({ kind: 'create' }, async (note) => {
      const collection = await this.#process.database.create(collectionName, schema(plan.hasText ? {} : { textFields: [] }))
      note(collection)
      created.push(collection)
      return { kind: 'done' }
    })
    const [collection] = created
    if (!collection || world.happens(0.5)) return
    const lists = [this.#listOf(collection)]
    for (let left = 3; left > 0; left--) {
      await this.#process.clock.sleep(world.between(0, 500))
      lists.push(this.#listOf(collection))
    }
    await Promise.all(lists)
  }

  #listOf(collection: EngineCollection): Promise<void> {
    return this.#ask({ kind: 'list', consistency: 'strong', mustWork: false }, async (note) => {
      note(collection)
      const { rows } = await collection.list({ limit: 500, include: { metadata: true } })
      return { kind: 'rows', rows: rows.map(printRow) }
    })
  }

  drop(): Promise<void> {
    return this.#ask({ kind: 'drop' }, async (note) => {
      note(await this.#process.database.collection(collectionName))
      await this.#process.database.drop(collectionName)
      return { kind: 'done' }
    })
  }

  write(batch: Batch, mustWork = false): Promise<void> {
    return this.#onCollection({ kind: 'write', batch, mustWork }, async (collection) => ({ kind: 'wrote', result: await collection.write(batch) }))
  }

  list(consistency: 'strong' | 'eventual', mustWork = false): Promise<void> {
    return this.#onCollection({ kind: 'list', consistency, mustWork }, async (collection) => {
      const { rows } = await collection.list({ consistency, limit: 500, include: { metadata: true } })
      for (const { key, version } of rows) this.#seen.set(key, version)
      return { kind: 'rows', rows: rows.map(printRow) }
    })
  }

  async #one(kind: OperationKind): Promise<void> {
    const { world, ids } = this.#stage
    const key = this.#key()
    switch (kind) {
      case 'put':
        return this.write(this.#marked([this.#put(key), ...(world.happens(0.3) ? [this.#put(this.#key(key))] : [])]))
      case 'put-if-absent':
        return this.write({ operations: [{ ...this.#put(key), ifAbsent: true }] })
      case 'condition': {
        if (!this.#seen.has(key) || world.happens(0.3)) await this.#get([key])
        const conditions = [{ key, version: this.#seen.get(key) ?? null }]
        const target = world.happens(0.5) ? key : this.#key()
        return this.write({ ...this.#marked([world.happens(0.8) ? this.#put(target) : { op: 'delete', key: target }]), conditions })
      }
      case 'patch':
        return this.write(this.#marked([{ op: 'patch', key, metadata: { p: ids.next++ } }]))
      case 'delete':
        return this.write(this.#marked([{ op: 'delete', key }]))
      case 'delete-where':
        return this.write(this.#marked([{ op: 'delete-where', filter: { op: 'eq', key: 'group', value: world.pick(['a', 'b']) } }]))
      case 'list':
        return this.list('strong')
      case 'eventual-list':
        return this.list('eventual')
      case 'get':
        return this.#get([key, this.#key()])
      case 'count':
        return this.#onCollection({ kind: 'count' }, async (collection) => ({ kind: 'counted', count: await collection.count() }))
      case 'query':
        return this.#onCollection({ kind: 'query' }, async (collection) => {
          const { matches } = await collection.query({ vector: [1, 1], k: 100, include: { metadata: true } })
          return { kind: 'rows', rows: matches.map(printRow) }
        })
      case 'snapshot': {
        const name = `s${ids.next++}`
        return this.#onCollection({ kind: 'snapshot', name }, async (collection) => {
          const { seq } = await collection.createSnapshot(name)
          this.#stage.snapshots.push({ name, seq, collectionId: collection.id })
          return { kind: 'pinned', seq }
        })
      }
      case 'read-snapshot':
      case 'delete-snapshot':
        return this.#onSnapshot(kind)
      case 'merge':
        return this.#onCollection({ kind: 'merge' }, async (collection) => {
          await collection.merge({ isForced: world.happens(0.4) })
          return { kind: 'done' }
        })
      case 'sweep':
        return this.#onCollection({ kind: 'sweep' }, async (collection) => {
          await collection.sweep()
          return { kind: 'done' }
        })
      case 'flush':
        return this.#onCollection({ kind: 'flush' }, async (collection) => {
          await collection.flush()
          return { kind: 'done' }
        })
    }
  }

  /** Reads or deletes a snapshot that some client made. A deleted one is not read again. */
  async #onSnapshot(kind: 'read-snapshot' | 'delete-snapshot'): Promise<void> {
    const { world, snapshots } = this.#stage
    if (snapshots.length === 0) return
    const index = world.below(snapshots.length)
    const { name, seq, collectionId } = snapshots[index]!
    if (kind === 'delete-snapshot') snapshots.splice(index, 1)
    await this.#onCollection(kind === 'read-snapshot' ? { kind, name, seq } : { kind, name }, async (collection) => {
      if (collection.id !== collectionId) return { kind: 'done' }
      if (kind === 'delete-snapshot') {
        await collection.deleteSnapshot(name)
        return { kind: 'done' }
      }
      const past = await collection.openSnapshot(name)
      const { rows } = await past.list({ limit: 500, include: { metadata: true } })
      return { kind: 'rows', rows: rows.map(printRow) }
    })
  }

  #get(keys: string[]): Promise<void> {
    return this.#onCollection({ kind: 'get', keys }, async (collection) => {
      const rows = await collection.get(keys, { include: { metadata: true } })
      rows.forEach((row, i) => (row ? this.#seen.set(row.key, row.version) : this.#seen.delete(keys[i]!)))
      return { kind: 'rows', rows: rows.map((row) => row && printRow(row)) }
    })
  }

  #onCollection(request: Request, task: (collection: EngineCollection) => Promise<Outcome>): Promise<void> {
    return this.#ask(request, async (note) => {
      const collection = await this.#process.database.collection(collectionName)
      note(collection)
      return task(collection)
    })
  }

  async #ask(request: Request, task: (note: (collection: EngineCollection) => void) => Promise<Outcome>): Promise<void> {
    const { journal } = this.#stage
    const entry = journal.begin(this.#process, request)
    try {
      journal.end(entry, await task((collection) => (entry.collectionId = collection.id)))
    } catch (error) {
      const kind = isWindlassError(error) ? error.kind : 'bug'
      journal.end(entry, { kind: 'failed', error: kind, message: kind === 'bug' && error instanceof Error ? String(error.stack) : messageOf(error) })
    }
  }

  /** Adds a row that is this process's own, so that the batch can be found in the log, whatever it did. */
  #marked(operations: Operation[]): Batch {
    if (this.#stage.world.happens(0.15)) return { operations }
    const row = { key: `~${this.#process.name.split('.')[0]}`, metadata: { op: this.#stage.ids.next++, group: 'm' } }
    return { operations: [...operations, { op: 'put', row }] }
  }

  #put(key: string): Operation & { op: 'put' } {
    const { ids, world, plan } = this.#stage
    const op = ids.next++
    const vector = world.happens(0.8) ? [op, 1] : null
    return { op: 'put', row: { key, vector, metadata: { op, group: world.pick(['a', 'b']) }, ...(plan.hasText && { document: `word ${op}` }) } }
  }

  #key(but?: string): string {
    const { world, plan } = this.#stage
    for (;;) {
      const key = `k${world.below(plan.keyCount)}`
      if (key !== but) return key
    }
  }

  #drawKind(): OperationKind {
    const { world, plan } = this.#stage
    let dice = world.random.next() * operationKinds.reduce((sum, kind) => sum + plan.weights[kind], 0)
    for (const kind of operationKinds) if ((dice -= plan.weights[kind]) < 0) return kind
    return 'put'
  }

  async #pause(): Promise<void> {
    const { world, plan } = this.#stage
    const ms = world.happens(plan.lullRate) ? world.between(60_000, 4_000_000) : world.happens(0.05) ? world.between(0, 30_000) : world.between(0, 60)
    await this.#process.clock.sleep(ms)
  }
}
