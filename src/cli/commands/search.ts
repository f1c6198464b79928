import pc from 'picocolors'
import { messageOf, WindlassError } from '../../base/errors.ts'
import type { Passage, SearchOptions } from '../../library/types.ts'
import { print, type Flags, type Session } from '../run.ts'
import { markedText, printable } from '../text.ts'

const windowLength = 320

/** `windlass search`: the passages that answer a question, and where they stand. */
export async function search({ bucket, configuration }: Session, question: string, flags: Flags): Promise<void> {
  const collection = await bucket.documents(configuration.collection())
  const passages = await collection.search(question, {
    k: countOf(flags.k),
    ...(typeof flags.filter === 'string' && { filter: parseFilterJson(flags.filter) }),
    ...(typeof flags.mode === 'string' && { mode: flags.mode as NonNullable<SearchOptions['mode']> }),
  })
  if (flags.json) return print(JSON.stringify(passages, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value), 2))
  for (const passage of passages) print(`${pc.bold(pc.cyan(printable(passage.source)))}${placeOf(passage)}  ${pc.dim(passage.score.toFixed(3))}\n    ${shown(passage)}\n`)
  if (passages.length === 0) print('nothing found')
}

function placeOf({ page, lineStart, headingPath }: Passage): string {
  const place = page !== undefined ? `page ${page}` : lineStart !== undefined ? `line ${lineStart}` : ''
  return `${place === '' ? '' : `:${place.replace('line ', '').replace('page ', 'p')}`}${headingPath.length > 0 ? `  ${printable(headingPath.join(' > '))}` : ''}`
}

/** The passage from its first marked word on, if that comes late. */
function shown({ text, highlights }: Passage): string {
  const first = highlights[0]?.start ?? 0
  const start = first > windowLength / 2 ? Math.max(0, text.lastIndexOf(' ', first - 60)) : 0
  return markedText(text, { start, end: Math.min(text.length, start + windowLength) }, highlights, (part) => pc.yellow(part))
}

/** `-k`. @throws {WindlassError} `invalid`. */
export function countOf(k: Flags[string]): number {
  const count = Number(k ?? 5)
  if (!Number.isInteger(count) || count < 1) throw new WindlassError('invalid', `-k is ${String(k)}, expected a whole number from 1`, { path: 'k' })
  return count
}

function parseFilterJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new WindlassError('invalid', `--filter is not JSON: ${messageOf(cause)}`, { path: 'filter', cause })
  }
}
