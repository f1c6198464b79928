import { messageOf, WindlassError } from '../../base/errors.ts'
import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { decodeAll, detectEncoding } from '../read/encoding.ts'
import type { Source } from '../read/source.ts'
import { recordText } from './record-text.ts'

/** Reads JSON: one record for each item of a list or member of an object, as lines `path: value`. They have no place in the file. */
export async function parseJson(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  const text = decodeAll(await source.readAll(), encoding)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new WindlassError(
      'invalid',
      `${source.name} is not JSON: ${messageOf(cause)} (one value a line is JSONL: name it .jsonl)`,
      { path: source.name, cause },
    )
  }
  const title = titleOf(value)
  return { encoding: encoding.label, ...(title !== undefined && { title }), blocks: records(value, source.name) }
}

async function* records(value: unknown, name: string): AsyncGenerator<Block> {
  for (const item of itemsOf(value)) {
    const text = recordText(item, name)
    if (text !== '') yield { kind: 'record', text, headingPath: [] }
  }
}

/** What counts as one record: items of a list, members of an object; items of a member that is a list of objects. */
function* itemsOf(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) yield* value
  else if (!isObject(value)) yield value
  else {
    for (const [key, item] of Object.entries(value)) {
      if (Array.isArray(item) && item.some(isObject)) for (const one of item) yield { [key]: one }
      else yield { [key]: item }
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function titleOf(value: unknown): string | undefined {
  const title = (value as { title?: unknown } | null)?.title
  return typeof title === 'string' && title.trim() !== '' ? title.trim() : undefined
}
