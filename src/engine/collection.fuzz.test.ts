// Several processes on one bucket, against a plain map: whatever they do, in whatever order, every strong read of every
// process equals the map, in insertion order, before and after flushes and fresh starts.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../store/memory-store.ts'
import type { EngineCollection } from './collection.ts'
import { newDatabase, schema } from './testing.ts'
import type { Operation } from './types.ts'

interface ModelRow {
  metadata: Record<string, number>
  born: number
}

// Few keys, so that upserts and deletes of flushed rows are common.
const key = fc.constantFrom('a', 'b', 'c', 'd', 'é', '\u{1F600}')
const metadata = fc.record({ n: fc.integer({ min: 0, max: 3 }) })
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), row: fc.record({ key, metadata, vector: fc.constantFrom([1, 0], [0, 1], [1, 1]) }) }),
  fc.record({ op: fc.constant('put' as const), ifAbsent: fc.constant(true), row: fc.record({ key, metadata, vector: fc.constant([1, 2]) }) }),
  fc.record({ op: fc.constant('patch' as const), key, metadata }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({ op: fc.constant('delete-where' as const), filter: fc.constant(null as never) }),
)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), process: fc.nat(2), operations: fc.array(operation, { minLength: 1, maxLength: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const), process: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), process: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), process: fc.nat(2) }) },
)

test('any history of writes, flushes and restarts reads like a map', async () => {
  const { parseFilter } = await import('./query/filter.ts')
  const filter = parseFilter({ n: 3 })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const store = new MemoryStore()
      await newDatabase(store).create('c', schema())
      const processes: EngineCollection[] = []
      for (let i = 0; i < 3; i++) processes.push(await newDatabase(store).collection('c'))
      const model = new Map<string, ModelRow>()
      let births = 0
      for (const { process, ...action } of steps) {
        if (action.kind === 'restart') processes[process] = await newDatabase(store).collection('c')
        if (action.kind === 'flush') await processes[process]!.flush()
        if (action.kind === 'write') {
          const operations = action.operations.map((each) => (each.op === 'delete-where' ? { ...each, filter } : each))
          await processes[process]!.write({ operations })
          for (const each of operations) births = applyToModel(model, each, births)
        }
        if (action.kind === 'read') await expectSame(processes[process]!, model)
      }
      for (const process of processes) await expectSame(process, model)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 100) },
  )
})

function applyToModel(model: Map<string, ModelRow>, operation: Operation, births: number): number {
  if (operation.op === 'delete-where') {
    for (const [name, row] of model) if (row.metadata.n === 3) model.delete(name)
    return births
  }
  const name = operation.op === 'put' ? operation.row.key : operation.key
  const old = model.get(name)
  if (operation.op === 'delete') model.delete(name)
  else if (operation.op === 'patch') old && model.set(name, { ...old, metadata: { ...old.metadata, ...(operation.metadata as Record<string, number>) } })
  else if (!(operation.ifAbsent && old)) model.set(name, { metadata: operation.row.metadata as Record<string, number>, born: old?.born ?? births })
  return births + 1
}

async function expectSame(collection: EngineCollection, model: Map<string, ModelRow>): Promise<void> {
  const expected = [...model].sort(([, a], [, b]) => a.born - b.born)
  const { rows } = await collection.list({ limit: 100, include: { metadata: true } })
  expect(rows.map((row) => [row.key, { ...row.metadata }])).toEqual(expected.map(([name, row]) => [name, row.metadata]))
  expect(await collection.count()).toBe(model.size)
  const { matches } = await collection.query({ vector: [1, 1], k: 10 }).catch((error: unknown) => {
    // Before the first vector there is no dimension to compare with.
    if (model.size === 0) return { matches: [] }
    throw error
  })
  expect(matches.map((match) => match.key).sort()).toEqual(expected.map(([name]) => name).sort())
}
