import { isWindlassError, messageOf } from '../../src/base/errors.ts'
import type { EngineCollection } from '../../src/engine/collection.ts'
import { schema } from '../../src/engine/testing.ts'
import type { Batch, Operation, RowView } from '../../src/engine/types.ts'
import type { Journal, Outcome, Request, TakenSnapshot } from './journal.ts'
import { operationKinds, type HistoryPlan, type OperationKind } from './plan.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** The name that all processes fight about; branches have their own. */
const mainName = 'c'

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
  readonly snapshots: TakenSnapshot[]
  /** Names of branches that were acknowledged, and not dropped. */
  readonly branches: string[]
  /** What a collection began as, by its id. */
  originOf(id: string): { readonly id: string; readonly seq: number } | null
}

async function done(task: Promise<unknown>): Promise<Outcome> {
  await task
  return { kind: 'done' }
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
  /** Versions it has seen, for conditions: `collection/key`. */
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
      if (plan.dropRate > 0 && world.happens(plan.dropRate)) {
        await this.drop()
        await this.create()
      }
      await this.#one(this.#drawKind())
    }
  }

  /**
   * At the end, on a quiet network. @param mustWork Not yet, the first time: then a process learns that what it had was dropped, and puts
   * again what it did not learn the outcome of, which may be the end of a collection.
   */
  async finish(mustWork: boolean): Promise<void> {
    await this.list('strong')
    await this.write({ operations: [this.#put(this.#key())] }, mustWork)
    await this.list('strong', mustWork)
  }

  /** Creates the collection, and may read it at once, several times, while others have found it already. */
  async create(): Promise<void> {
    const { plan, world } = this.#stage
    const created: EngineCollection[] = []
    await this.#ask({ kind: 'create' }, async (note) => {
      const collection = await this.#process.database.create(mainName, schema(plan.hasText ? {} : { textFields: [] }))
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

  drop(name = mainName): Promise<void> {
    return this.#onCollection(name, { kind: 'drop' }, async () => {
      await this.#process.database.drop(name)
      return { kind: 'done' }
    })
  }

  write(batch: Batch, mustWork = false, name = mainName): Promise<void> {
    return this.#onCollection(name, { kind: 'write', batch, mustWork }, async (collection) => ({ kind: 'wrote', result: await collection.write(batch) }))
  }

  list(consistency: 'strong' | 'eventual', mustWork = false, name = mainName): Promise<void> {
    return this.#onCollection(name, { kind: 'list', consistency, mustWork }, async (collection) => {
      const { rows } = await collection.list({ consistency, limit: 500, include: { metadata: true } })
      for (const { key, version } of rows) this.#seen.set(`${name}/${key}`, version)
      return { kind: 'rows', rows: rows.map(printRow) }
    })
  }

  async #one(kind: OperationKind): Promise<void> {
    const { world, ids, branches } = this.#stage
    const key = this.#key()
    const name = branches.length > 0 && world.happens(0.5) ? world.pick(branches) : mainName
    switch (kind) {
      case 'put':
        return this.write(this.#marked([this.#put(key), ...(world.happens(0.3) ? [this.#put(this.#key(key))] : [])]), false, name)
      case 'put-if-absent':
        return this.write({ operations: [{ ...this.#put(key), ifAbsent: true }] }, false, name)
      case 'condition': {
        if (!this.#seen.has(`${name}/${key}`) || world.happens(0.3)) await this.#get(name, [key])
        const conditions = [{ key, version: this.#seen.get(`${name}/${key}`) ?? null }]
        const target = world.happens(0.5) ? key : this.#key()
        return this.write({ ...this.#marked([world.happens(0.8) ? this.#put(target) : { op: 'delete', key: target }]), conditions }, false, name)
      }
      case 'patch':
        return this.write(this.#marked([{ op: 'patch', key, metadata: { p: ids.next++ } }]), false, name)
      case 'delete':
        return this.write(this.#marked([{ op: 'delete', key }]), false, name)
      case 'delete-where':
        return this.write(this.#marked([{ op: 'delete-where', filter: { op: 'eq', key: 'group', value: world.pick(['a', 'b']) } }]), false, name)
      case 'list':
        return this.list('strong', false, name)
      case 'eventual-list':
        return this.list('eventual', false, name)
      case 'get':
        return this.#get(name, [key, this.#key()])
      case 'count':
        return this.#onCollection(name, { kind }, async (collection) => ({ kind: 'counted', count: await collection.count() }))
      case 'query':
        return this.#onCollection(name, { kind }, async (collection) => {
          const { matches } = await collection.query({ vector: [1, 1], k: 100, include: { metadata: true } })
          return { kind: 'rows', rows: matches.map(printRow) }
        })
      case 'merge':
        return this.#onCollection(name, { kind }, (collection) => done(collection.merge({ isForced: world.happens(0.4) })))
      case 'sweep':
        return this.#onCollection(name, { kind }, (collection) => done(collection.sweep()))
      case 'flush':
        return this.#onCollection(name, { kind }, (collection) => done(collection.flush()))
      case 'snapshot':
        return this.#takeSnapshot(name)
      case 'read-snapshot':
      case 'delete-snapshot':
      case 'restore':
        return this.#onSnapshot(kind)
      case 'branch':
        return this.#branch(name)
      case 'drop-branch':
        return branches.length === 0 ? undefined : this.drop(branches.splice(world.below(branches.length), 1)[0]!)
      case 'sweep-trash':
        return this.#onCollection(name, { kind }, () => done(this.#process.database.sweepTrash()))
    }
  }

  #takeSnapshot(at: string): Promise<void> {
    const name = `s${this.#stage.ids.next++}`
    return this.#onCollection(at, { kind: 'snapshot', name }, async (collection) => {
      const { seq } = await collection.createSnapshot(name)
      this.#stage.snapshots.push({ name, seq, holder: collection.id, at })
      return { kind: 'pinned', seq }
    })
  }

  /** Reads, restores or deletes a snapshot that some client made. A deleted one is not asked for again. */
  async #onSnapshot(kind: 'read-snapshot' | 'delete-snapshot' | 'restore'): Promise<void> {
    const { world, snapshots } = this.#stage
    if (snapshots.length === 0) return
    const index = world.below(snapshots.length)
    const snapshot = snapshots[index]!
    const { name, at } = snapshot
    if (kind === 'restore') return this.#onCollection(at, { kind, snapshot }, () => done(this.#process.database.restore(at, name)))
    if (kind === 'delete-snapshot') {
      snapshots.splice(index, 1)
      return this.#onCollection(at, { kind, name }, (collection) => done(collection.deleteSnapshot(name)))
    }
    return this.#onCollection(at, { kind, snapshot }, async (collection) => {
      const past = await collection.openSnapshot(name)
      const { rows } = await past.list({ limit: 500, include: { metadata: true } })
      return { kind: 'rows', rows: rows.map(printRow) }
    })
  }

  /** Branches what has a name, as it is or as a snapshot has it, and reads or writes the branch at once. */
  async #branch(from: string): Promise<void> {
    const { world, snapshots, branches, ids } = this.#stage
    const snapshot = snapshots.length > 0 && world.happens(0.4) ? world.pick(snapshots) : null
    const to = `b${ids.next++}`
    await this.#ask({ kind: 'branch', snapshot }, async (note) => {
      const source = snapshot?.at ?? from
      note(await this.#process.database.collection(source))
      const branch = await this.#process.database.branch(source, to, snapshot ? { snapshot: snapshot.name } : {})
      const origin = this.#stage.originOf(branch.id)
      if (!origin) throw new Error(`${to} is ${branch.id}, which began as nothing`)
      if (!snapshot) note({ id: origin.id })
      branches.push(to)
      return { kind: 'branched', from: origin.id, seq: origin.seq }
    })
    if (world.happens(0.5)) await (world.happens(0.5) ? this.list('strong', false, to) : this.write({ operations: [this.#put(this.#key())] }, false, to))
  }

  #get(name: string, keys: string[]): Promise<void> {
    return this.#onCollection(name, { kind: 'get', keys }, async (collection) => {
      const rows = await collection.get(keys, { include: { metadata: true } })
      rows.forEach((row, i) => (row ? this.#seen.set(`${name}/${row.key}`, row.version) : this.#seen.delete(`${name}/${keys[i]!}`)))
      return { kind: 'rows', rows: rows.map((row) => row && printRow(row)) }
    })
  }

  #onCollection(name: string, request: Request, task: (collection: EngineCollection) => Promise<Outcome>): Promise<void> {
    return this.#ask(request, async (note) => {
      const collection = await this.#process.database.collection(name)
      note(collection)
      return task(collection)
    })
  }

  async #ask(request: Request, task: (note: (collection: { readonly id: string }) => void) => Promise<Outcome>): Promise<void> {
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
