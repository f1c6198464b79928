import { fromUtf8 } from '../base/bytes.ts'
import { messageOf } from '../base/errors.ts'
import { isObject, readRecord, readVector, type FieldNames, type ReadRecord } from './fields.ts'
import { splitJson, splitLines } from './split-json.ts'

/** How the vectors of one object are arranged. */
export type Layout = 'one record' | 'array' | 'lines' | `list in ${string}` | 'members' | 'parallel lists'

/** What an object holds at one place, in order. */
export interface LayoutItem {
  readonly layout: Layout
  /** 0 for the first; absent where the object is one record. */
  readonly index?: number
  readonly read: ReadRecord
}

/** Objects up to this are read as one; longer ones in pieces. */
export const wholeBytesMax = 16 * 1024 * 1024

/** Members that hold lists of records, the usual names first. */
const listNames = ['vectors', 'records', 'items', 'embeddings', 'documents', 'chunks', 'data', 'results', 'points']

interface LayoutContext {
  readonly fields: FieldNames
  /** The object's name, for records that have none of their own. */
  readonly name: string
}

/**
 * Reads the records of an object that is at hand as a whole, whatever its layout: one record, an array, JSON lines, an object with a list
 * in it, an object of members by id, or parallel lists (`ids`, `embeddings`, `metadatas`). What cannot be read is an item too.
 */
export async function* readWhole(bytes: Uint8Array, context: LayoutContext): AsyncGenerator<LayoutItem> {
  let text: string
  try {
    text = fromUtf8(bytes).replace(/^\uFEFF/, '')
  } catch {
    yield { layout: 'one record', read: { reason: bytes[0] === 0x1f && bytes[1] === 0x8b ? 'gzip: decompress it first' : 'it is not UTF-8' } }
    return
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    yield* readBroken(text, messageOf(error), context)
    return
  }
  if (Array.isArray(value) && !(readVector(value) instanceof Float32Array)) yield* value.map((each, index) => element('array', index, each, context))
  else if (isObject(value) && !hasVector(value, context.fields)) yield* readContainer(value, context)
  else yield { layout: 'one record', read: readRecord(value, context.fields, context.name) }
}

/** Reads a long object piece by piece; its layout is told by how it begins. */
export async function* readPieces(texts: AsyncIterable<string>, context: LayoutContext): AsyncGenerator<LayoutItem> {
  const iterator = texts[Symbol.asyncIterator]()
  const first = await iterator.next()
  const head = first.done ? '' : first.value.replace(/^\uFEFF/, '')
  const all = (async function* () {
    yield head
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  })()
  const [line = ''] = head.trimStart().split('\n', 1)
  if (line.length < head.trimStart().length && parses(line)) {
    yield* readLines(all, context)
    return
  }
  const lists = head.trimStart().startsWith('[') ? [] : listsOf(head.slice(0, 100_000))
  const path = listNames.find((name) => lists.includes(name))
  const layout: Layout = path !== undefined ? `list in ${path}` : head.trimStart().startsWith('[') ? 'array' : 'members'
  let index = 0
  try {
    for await (const part of splitJson(all, path === undefined ? {} : { path })) {
      const read = parsed(part.text)
      yield 'reason' in read ? { layout, index, read } : element(layout, index, read.value, context, {}, part.name)
      index++
    }
  } catch (error) {
    yield { layout, index, read: { reason: messageOf(error) } }
  }
}

/** Members of the object that `head` begins, and not of what lies in it, that hold lists of objects or of lists. */
function listsOf(head: string): string[] {
  const lists: string[] = []
  let [depth, string, name] = [0, null as number | null, '']
  for (let i = 0; i < head.length; i++) {
    const char = head[i]!
    if (string !== null) {
      if (char === '\\') i++
      else if (char === '"') {
        if (depth === 1) name = head.slice(string + 1, i)
        string = null
      }
    } else if (char === '"') string = i
    else if (char === '}' || char === ']') depth--
    else if (char === '{' || char === '[') {
      if (depth === 1 && char === '[' && /^\s*[{[]/.test(head.slice(i + 1, i + 100))) lists.push(name)
      depth++
    }
  }
  return lists
}

/** What does not parse as a whole: lines, or a list that ends early, of which the beginning is good. */
async function* readBroken(text: string, reason: string, context: LayoutContext): AsyncGenerator<LayoutItem> {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  if (lines.length > 1 && (parses(lines[0]!) || parses(lines[1]!)) && isJsonStart(lines[0]!)) yield* readLines(once(text), context)
  else if (text.trimStart().startsWith('[') || /^\s*\{\s*"\w+"\s*:\s*\[\s*\{/.test(text)) yield* readPieces(once(text), context)
  else yield { layout: 'one record', read: { reason: text.trim() === '' ? 'it is empty' : reason } }
}

async function* readLines(texts: AsyncIterable<string>, context: LayoutContext): AsyncGenerator<LayoutItem> {
  let index = 0
  try {
    for await (const line of splitLines(texts)) {
      const read = parsed(line)
      yield 'reason' in read ? { layout: 'lines', index, read } : element('lines', index, read.value, context)
      index++
    }
  } catch (error) {
    yield { layout: 'lines', index, read: { reason: messageOf(error) } }
  }
}

function* readContainer(value: Record<string, unknown>, context: LayoutContext): Generator<LayoutItem> {
  const columns = readColumns(value, context)
  if (columns) return yield* columns
  const names = Object.keys(value).filter((name) => Array.isArray(value[name]) && (value[name] as unknown[]).some((each) => isObject(each)))
  const path = listNames.find((name) => names.includes(name)) ?? names[0]
  if (path !== undefined) {
    // What is told of the whole object is told of each of its records.
    const { [path]: list, ...outer } = value
    return yield* (list as unknown[]).map((each, index) => element(`list in ${path}`, index, each, context, outer))
  }
  const members = Object.entries(value)
  const isMap = members.length > 0 && members.every(([, each]) => isObject(each) || Array.isArray(each)) && members.some(([, each]) => readVector(each) instanceof Float32Array || (isObject(each) && hasVector(each, context.fields)))
  if (isMap) return yield* members.map(([name, each], index) => element('members', index, each, context, {}, name))
  yield { layout: 'one record', read: readRecord(value, context.fields, context.name) }
}

/** `ids`, `embeddings`, `metadatas`, `documents` of one length, as Chroma's `get` answers. */
function readColumns(value: Record<string, unknown>, context: LayoutContext): LayoutItem[] | null {
  const list = (...names: string[]) => names.map((name) => value[name]).find((each): each is unknown[] => Array.isArray(each))
  const vectors = list(...context.fields.vector, 'embeddings', 'vectors')
  const ids = list('ids', 'keys')
  if (!vectors || !ids || !vectors.every((each) => readVector(each) instanceof Float32Array || each === null)) return null
  const [metadatas, documents] = [list('metadatas', 'metadata'), list('documents', 'texts')]
  return vectors.map((vector, index) => {
    const [id, metadata, text] = [ids[index], metadatas?.[index], documents?.[index]]
    const whole = { id, embedding: vector, ...(isObject(metadata) && { metadata }), ...(typeof text === 'string' && { text }) }
    return element('parallel lists', index, whole, { ...context, fields: { vector: ['embedding'], id: ['id'], text: ['text', ...context.fields.text], metadata: ['metadata'] } })
  })
}

function element(layout: Layout, index: number, value: unknown, { fields, name }: LayoutContext, outer: Record<string, unknown> = {}, member?: string): LayoutItem {
  const read = readRecord(value, fields, member ?? `${name}#${index}`)
  if ('reason' in read || Object.keys(outer).length === 0) return { layout, index, read }
  const around = readRecord({ ...outer, [fields.vector[0]!]: [0] }, { ...fields, id: [], text: [] }, '')
  if ('reason' in around) return { layout, index, read }
  const model = read.model ?? around.model
  return { layout, index, read: { ...read, record: { ...read.record, metadata: { ...around.record.metadata, ...read.record.metadata } }, ...(model !== undefined && { model }) } }
}

function hasVector(value: Record<string, unknown>, fields: FieldNames): boolean {
  return fields.vector.some((name) => Object.hasOwn(value, name) && (readVector(value[name]) instanceof Float32Array || isNumbers(value[name])))
}

/** A list of numbers with something else in it is a damaged vector, not a list of records. */
function isNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.filter((each) => typeof each === 'number').length * 2 > value.length
}

function parsed(text: string): { value: unknown } | { reason: string } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    return { reason: messageOf(error) }
  }
}

function parses(text: string): boolean {
  return isJsonStart(text) && !('reason' in parsed(text))
}

function isJsonStart(text: string): boolean {
  return /^\s*[[{]/.test(text)
}

async function* once(text: string): AsyncGenerator<string> {
  yield text
}
