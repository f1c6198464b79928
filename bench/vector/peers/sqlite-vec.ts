import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Peer, PeerSet } from '../peer.ts'

/** What we use of better-sqlite3. */
interface Database {
  pragma(text: string): unknown
  exec(text: string): void
  prepare(text: string): { run(...values: unknown[]): unknown; all(...values: unknown[]): unknown[]; pluck(): { all(...values: unknown[]): unknown[] } }
}

/** sqlite-vec, which scans every row: in float32, or in one bit a dimension with candidates scored again by their vectors. */
export function sqliteVec(kind: 'float' | 'bit'): Peer {
  const open = (folder: string): Database => {
    const require = createRequire(join(import.meta.dirname, '../package.json'))
    const database = new (require('better-sqlite3') as new (path: string) => Database)(join(folder, 'vectors.sqlite'))
    ;(require('sqlite-vec') as { load(database: Database): void }).load(database)
    // All pages stay in memory, as other peers' do.
    database.pragma('cache_size = -2000000')
    return database
  }
  return {
    built: kind === 'float' ? 'float32 scan' : 'bit scan, float32 again',
    async build(set: PeerSet, folder) {
      const database = open(folder)
      const { dimension, count } = set
      const rows = set.rows()
      database.exec('drop table if exists v')
      database.exec(`create virtual table v using vec0(e float[${dimension}] distance_metric=cosine${kind === 'bit' ? `, b bit[${dimension}]` : ''})`)
      const insert = database.prepare(kind === 'bit' ? 'insert into v (rowid, e, b) values (?, ?, vec_quantize_binary(?))' : 'insert into v (rowid, e) values (?, ?)')
      database.exec('begin')
      for (let row = 0; row < count; row++) {
        const vector = rows.subarray(row * dimension, (row + 1) * dimension)
        if (kind === 'bit') insert.run(BigInt(row), vector, vector)
        else insert.run(BigInt(row), vector)
      }
      database.exec('commit')
    },
    async open(set, folder) {
      const database = open(folder)
      const queryAt = (i: number) => set.queries.subarray(i * set.dimension, (i + 1) * set.dimension)
      if (kind === 'float') {
        const find = database.prepare('select rowid from v where e match ? and k = 10 order by distance').pluck()
        return { families: [], fixed: { '': {} }, use() {}, search: (i) => find.all(queryAt(i)) as number[] }
      }
      const find = database.prepare('with c as (select rowid as r, e from v where b match vec_quantize_binary(?) and k = ?) select r from c order by vec_distance_cosine(e, ?) limit 10').pluck()
      let candidates = 10
      return {
        families: [Array.from({ length: 100 }, (_, i) => ({ candidates: Math.round(10 * (4096 / 10) ** (i / 99)) }))],
        use: (setting) => void (candidates = setting['candidates']!),
        search: (i) => find.all(queryAt(i), candidates, queryAt(i)) as number[],
      }
    },
  }
}
