import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { seededRandom } from '../../../src/base/random.ts'
import { KernelHeap } from '../../../src/kernels/heap.ts'
import { loadKernels } from '../../../src/kernels/kernels.ts'
import { buildIndex, type BuiltHead } from '../../../src/vector/build.ts'
import { chooseEffort } from '../../../src/vector/effort.ts'
import type { SearchEffort } from '../../../src/vector/index-layout.ts'
import { IndexReader } from '../../../src/vector/index-reader.ts'
import { searchIndex } from '../../../src/vector/search-index.ts'
import { arraySource } from '../../../src/vector/space.ts'
import type { Peer, Setting } from '../peer.ts'

/** This project's index, all of it in memory. On disk: head, lists, records, and the float32 vectors that give exact distances. */
export function windlass(): Peer {
  return {
    built: 'defaults',
    async build(set, folder) {
      const heap = new KernelHeap(await loadKernels())
      const rows = set.rows()
      const steps = buildIndex(heap, arraySource(rows, set.dimension), { metric: 'cosine' }, seededRandom(1))
      let step = steps.next()
      while (!step.done) step = steps.next()
      const built = step.value
      writeFileSync(join(folder, 'head'), serialize(built.head))
      const each = (part: 'list' | 'records') => Array.from({ length: built.head.clusters }, (_, c) => built[part](c))
      writeFileSync(join(folder, 'lists'), Buffer.concat(each('list')))
      writeFileSync(join(folder, 'records'), Buffer.concat(each('records')))
      writeFileSync(join(folder, 'vectors'), rows)
    },
    async open({ dimension, queries }, folder) {
      const bytes = readFileSync(join(folder, 'vectors'))
      const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
      const head = deserialize(readFileSync(join(folder, 'head'))) as BuiltHead
      const heap = new KernelHeap(await loadKernels())
      const reader = new IndexReader(heap, head)
      fill(reader, folder)
      const vector = (row: number) => rows.subarray(row * dimension, (row + 1) * dimension)
      const levels = head.effort.filter(({ depth }) => depth === 10)
      let effort: SearchEffort = { probes: 1, margin: Infinity, candidates: 10 }
      return {
        // Between two measured levels, ten steps.
        families: [levels.slice(1).flatMap((to, level) => Array.from({ length: 10 }, (_, i) => blend(levels[level]!, to, i / 10)))],
        fixed: Object.fromEntries([0.9, 0.95, 0.99].map((recall) => [`recall ${recall}`, asSetting(chooseEffort(head, { k: 10, recall }))])),
        use: (setting) => void (effort = { probes: setting['probes']!, margin: setting['margin']!, candidates: setting['candidates']! }),
        search: (i) => searchIndex(heap, reader, { query: queries.subarray(i * dimension, (i + 1) * dimension), k: 10, effort, vector }).map(({ row }) => row),
      }
    },
  }
}

function fill(reader: IndexReader, folder: string): void {
  const [lists, records] = [readFileSync(join(folder, 'lists')), readFileSync(join(folder, 'records'))]
  for (let c = 0, list = 0, record = 0; c < reader.head.clusters; c++) {
    reader.setList(c, lists.subarray(list, (list += reader.listBytes(c))))
    reader.setRecords(c, records.subarray(record, (record += reader.recordsBytes(c))))
  }
}

function asSetting({ probes, margin, candidates }: SearchEffort): Setting {
  return { probes, margin: Math.min(margin, 1e9), candidates }
}

function blend(from: SearchEffort, to: SearchEffort, share: number): Setting {
  const at = (a: number, b: number) => a + (b - a) * share
  return asSetting({ probes: Math.round(at(from.probes, to.probes)), margin: at(from.margin, to.margin), candidates: Math.round(at(from.candidates, to.candidates)) })
}
