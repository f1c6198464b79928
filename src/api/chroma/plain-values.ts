import type { Json } from './parse-json.ts'
import { Float } from './write-json.ts'

/** What a program hands over and gets back: numbers as JavaScript has them; integers beyond 2^53 as bigint. */
export type Plain = string | number | bigint | boolean | null | undefined | Float32Array | readonly Plain[] | { readonly [key: string]: Plain }

/** As the official JavaScript client would send it: a number without a fraction is an integer. What is undefined is left out. */
export function toJson(value: Plain, inVector = false): Json {
  if (value === undefined) return null
  if (value instanceof Float32Array) return Array.from(value)
  if (typeof value === 'number') return !inVector && Number.isSafeInteger(value) ? BigInt(value) : value
  if (isList(value)) return value.map((each) => toJson(each, inVector))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : [[key, toJson(each, inVector || key === 'embeddings' || key === 'query_embeddings')]])))
}

/** An answer as a program wants it. */
export function fromAnswer(value: unknown): Plain {
  if (value instanceof Float) return value.value
  if (value instanceof Float32Array) return Array.from(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(fromAnswer)
  if (typeof value !== 'object' || value === null) return value as Plain
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fromAnswer(each)]))
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value)
}
