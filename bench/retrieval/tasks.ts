import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** Questions with one relevant document each. */
export interface Task {
  readonly name: string
  /** Tuning tasks may choose weights; test tasks only judge them. */
  readonly use: 'tune' | 'test'
  readonly documents: readonly string[]
  readonly questions: readonly { readonly text: string; readonly relevant: number }[]
  /** Teacher's vectors, documents then questions, row by row; made by scripts/train-static-model/tasks.py. */
  readonly vectors?: Float32Array
}

/**
 * The fixed task (the first 8,000 package descriptions, the first 1,000 synopses that occur once among them), its like from later rows
 * to tune on, and what `folder` holds: `<name>.json`, with `<name>.f16` beside it where the teacher's vectors are known.
 */
export function loadTasks(shared: string, folder: string | undefined): Task[] {
  const files = folder && existsSync(folder) ? readdirSync(folder) : []
  const vectorsOf = (name: string) =>
    files.includes(`${name}.f16`) ? { vectors: readHalves(join(folder!, `${name}.f16`)) } : {}
  const packages = [
    { ...packageTask(shared, 'packages', 0), use: 'test' as const },
    { ...packageTask(shared, 'packages-later', 16_000), use: 'tune' as const },
  ]
  const others = files
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(folder!, file), 'utf8')) as Task)
  return [...packages, ...others].map((task) => ({ ...task, ...vectorsOf(task.name) }))
}

function packageTask(shared: string, name: string, start: number): Omit<Task, 'use'> {
  const lines = gunzipSync(readFileSync(join(shared, 'data/packages.jsonl.gz')))
    .toString('utf8')
    .trimEnd()
    .split('\n')
  const rows = lines.slice(start, start + 8_000).map((line) => JSON.parse(line) as { synopsis: string; body: string })
  const counts = new Map<string, number>()
  for (const { synopsis } of rows) counts.set(synopsis, (counts.get(synopsis) ?? 0) + 1)
  const unique = rows.flatMap(({ synopsis }, relevant) =>
    counts.get(synopsis) === 1 ? [{ text: synopsis, relevant }] : [],
  )
  return { name, documents: rows.map((row) => row.body), questions: unique.slice(0, 1_000) }
}

function readHalves(path: string): Float32Array {
  const bytes = readFileSync(path)
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => halfToFloat(bytes.readUInt16LE(i * 2)))
}

function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}
