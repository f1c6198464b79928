// Several processes that write, flush, merge, sweep, snapshot, branch and restore in any order, with hours between: every collection,
// every snapshot and every past commit reads like the map it should be, and verify finds nothing.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../../base/errors.ts'
import type { Database } from '../database.ts'
import { schema } from '../testing.ts'
import type { Operation } from '../types.ts'
import { graceMs, world } from './testing.ts'

type Content = ReadonlyMap<string, number>

interface Model {
  content: Content
  /** What each log number left, from 0. */
  history: Content[]
  readonly snapshots: Map<string, Content>
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const on = { process: fc.nat(2), collection: fc.nat(2) }
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), ...on, writes: fc.array(fc.tuple(key, fc.option(fc.nat(99))), { minLength: 1, maxLength: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('flush' as const, 'merge' as const, 'sweep' as const), ...on }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('snapshot' as const, 'forget' as const, 'restore' as const, 'branch' as const), ...on, name: fc.constantFrom('s', 't'), isOfSnapshot: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drop' as const, 'restart' as const), ...on }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('hours' as const), ...on, count: fc.integer({ min: 1, max: 3 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

test('any history of everything reads like maps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), fc.constantFrom(0, 4), async (steps, historyHours) => {
      const { clock, open } = world({ historyMs: historyHours * graceMs, mergeFanIn: 3 })
      const processes = [open(), open(), open()]
      const models = new Map<string, Model>()
      for (const each of steps) {
        if (each.kind === 'hours') clock.ms += each.count * graceMs
        else if (each.kind === 'restart') processes[each.process] = open()
        else await run(processes[each.process]!, models, each)
        await checkAll(processes[(each.process + 1) % 3]!, models)
      }
      for (let i = 0; i < 3; i++) {
        clock.ms += graceMs + 1
        for (const name of models.keys()) await (await processes[0]!.collection(name)).sweep()
        await processes[0]!.sweepTrash()
      }
      await checkAll(open(), models)
      for (const name of models.keys()) expect((await (await open().collection(name)).verify()).problems).toEqual([])
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 60) },
  )
})

async function run(database: Database, models: Map<string, Model>, each: Exclude<Step, { kind: 'hours' | 'restart' }>): Promise<void> {
  const name = `c${each.collection}`
  const model = models.get(name)
  if (!model) {
    await database.create(name, schema())
    models.set(name, { content: new Map(), history: [new Map()], snapshots: new Map() })
    return
  }
  const collection = await database.collection(name)
  switch (each.kind) {
    case 'write': {
      const operations = each.writes.map(([row, n]): Operation => (n === null ? { op: 'delete', key: row } : { op: 'put', row: { key: row, metadata: { n }, document: `number ${n}` } }))
      const { seq } = await database.with(name, (found) => found.write({ operations }))
      const content = new Map(model.content)
      for (const [row, n] of each.writes) if (n === null) content.delete(row)
        else content.set(row, n)
      model.content = content
      model.history[seq] = content
      return
    }
    case 'restart':
      // Done by who holds the processes.
      return
    case 'flush':
      await collection.flush()
      return collection.settle()
    case 'merge':
      await collection.merge({ isForced: true })
      return
    case 'sweep':
      await collection.sweep()
      await database.sweepTrash()
      return
    case 'drop':
      await database.drop(name)
      models.delete(name)
      return
    case 'snapshot':
      if (model.snapshots.has(each.name)) return
      await database.with(name, (found) => found.createSnapshot(each.name))
      model.snapshots.set(each.name, model.content)
      return
    case 'forget':
      if (!model.snapshots.delete(each.name)) return
      return database.with(name, (found) => found.deleteSnapshot(each.name))
    case 'restore': {
      const content = model.snapshots.get(each.name)
      if (!content) return
      await database.restore(name, each.name)
      model.content = content
      model.history = []
      return
    }
    case 'branch': {
      const target = `c${(each.collection + 1) % 3}`
      if (models.has(target)) return
      const content = each.isOfSnapshot ? model.snapshots.get(each.name) : model.content
      if (!content) return
      await database.branch(name, target, each.isOfSnapshot ? { snapshot: each.name } : {})
      models.set(target, { content, history: [], snapshots: new Map() })
    }
  }
}

async function checkAll(database: Database, models: ReadonlyMap<string, Model>): Promise<void> {
  for (const [name, { content, history, snapshots }] of models) {
    const contentOf = async (reader: Pick<Awaited<ReturnType<Database['collection']>>, 'list'>) => {
      const { rows } = await reader.list({ limit: 100, include: { metadata: true } })
      return rows.map((row) => [row.key, row.metadata!.n] as const).sort()
    }
    expect(await contentOf({ list: (options) => database.with(name, (found) => found.list(options)) }), name).toEqual([...content].sort())
    // After a strong read, this process knows of every drop and restore.
    const collection = await database.collection(name)
    expect((await collection.listSnapshots()).map((snapshot) => snapshot.name).sort()).toEqual([...snapshots.keys()].sort())
    for (const [snapshot, expected] of snapshots) expect(await contentOf(await collection.openSnapshot(snapshot)), `${name} at ${snapshot}`).toEqual([...expected].sort())
    for (const seq of [history.length - 1, history.length - 3]) {
      if (!history[seq]) continue
      const past = await collection.openPast({ seq }).catch((error: unknown) => (isWindlassError(error, 'expired') ? null : Promise.reject(error as Error)))
      if (past) expect(await contentOf(past), `${name} at ${seq}`).toEqual([...history[seq]].sort())
    }
  }
}
