import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Peer, Setting } from '../peer.ts'

/** What we use of LanceDB. */
interface Table {
  add(rows: object[]): Promise<unknown>
  createIndex(column: string, options: object): Promise<void>
  optimize(): Promise<unknown>
  vectorSearch(vector: Float32Array): VectorQuery
}
interface VectorQuery {
  distanceType(type: string): this
  nprobes(count: number): this
  refineFactor(factor: number): this
  ef(ef: number): this
  select(columns: string[]): this
  limit(count: number): this
  toArrow(): Promise<{ getChild(name: string): ArrayLike<number> & { toArray(): ArrayLike<number> } }>
}
interface LanceDb {
  connect(folder: string): Promise<{ createTable(name: string, rows: object[], options: object): Promise<Table>; openTable(name: string): Promise<Table> }>
  Index: { ivfPq(options: object): object; hnswSq(options: object): object }
}

/** LanceDB, embedded: IVF_PQ or IVF_HNSW_SQ, both with refinement by the vectors. Its threads share the one core it is given. */
export function lancedb(kind: 'ivfPq' | 'hnswSq'): Peer {
  const load = () => createRequire(join(import.meta.dirname, '../package.json'))('@lancedb/lancedb') as LanceDb
  return {
    built: kind === 'ivfPq' ? 'IVF_PQ, rows^0.5 partitions, dimension / 4 sub-vectors' : 'IVF_HNSW_SQ, 1 partition, m 16, efConstruction 200',
    async build(set, folder) {
      const { connect, Index } = load()
      const rows = set.rows()
      const part = (start: number) =>
        Array.from({ length: Math.min(10_000, set.count - start) }, (_, i) => ({ id: start + i, vector: Array.from(rows.subarray((start + i) * set.dimension, (start + i + 1) * set.dimension)) }))
      const table = await (await connect(folder)).createTable('vectors', part(0), { mode: 'overwrite' })
      for (let start = 10_000; start < set.count; start += 10_000) await table.add(part(start))
      await table.optimize()
      const config =
        kind === 'ivfPq'
          ? Index.ivfPq({ distanceType: 'cosine', numPartitions: Math.round(Math.sqrt(set.count)), numSubVectors: set.dimension / 4 })
          : Index.hnswSq({ distanceType: 'cosine', numPartitions: 1, m: 16, efConstruction: 200 })
      await table.createIndex('vector', { config, waitTimeoutSeconds: 3600 })
    },
    async open(set, folder) {
      const table = await (await load().connect(folder)).openTable('vectors')
      const steps = (from: number, to: number) => [...new Set(Array.from({ length: 40 }, (_, i) => Math.round(from * (to / from) ** (i / 39))))]
      const families: Setting[][] =
        kind === 'ivfPq'
          ? [3, 6, 12].map((refine) => steps(4, Math.round(Math.sqrt(set.count))).map((probes) => ({ probes, refine })))
          : [2, 4].map((refine) => steps(20, 1000).map((ef) => ({ ef: Math.max(ef, 10 * refine), refine })))
      let setting: Setting = {}
      return {
        families,
        use: (next) => void (setting = next),
        async search(i) {
          let query = table.vectorSearch(set.queries.subarray(i * set.dimension, (i + 1) * set.dimension)).distanceType('cosine').refineFactor(setting['refine']!).limit(10).select(['id', '_distance'])
          query = kind === 'ivfPq' ? query.nprobes(setting['probes']!) : query.nprobes(1).ef(setting['ef']!)
          return Array.from((await query.toArrow()).getChild('id').toArray(), Number)
        },
      }
    },
  }
}
