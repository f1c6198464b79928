import { wrongShape } from './errors.ts'
import type { Json } from './parse-json.ts'

export type JsonObject = { [key: string]: Json }

/** A member of the body; null counts as absent. */
export function member(body: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(body, name) ? (body[name] ?? undefined) : undefined
}

/** @throws {ChromaError} 422. */
export function asObject(value: Json | undefined, path: string): JsonObject {
  if (!isObject(value)) throw wrongShape(path, `invalid type: ${typeName(value)}, expected a map`)
  return value
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @throws {ChromaError} 422 when it is no string. */
export function asText(value: Json | undefined, path: string): string {
  if (value === undefined) throw wrongShape('', `missing field \`${path}\``)
  if (typeof value !== 'string') throw wrongShape(path, `invalid type: ${typeName(value)}, expected a string`)
  return value
}

export function optionalText(value: Json | undefined, path: string): string | undefined {
  return value === undefined ? undefined : asText(value, path)
}

export function optionalBoolean(value: Json | undefined, path: string): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw wrongShape(path, `invalid type: ${typeName(value)}, expected a boolean`)
  return value
}

/** A number of things: not negative, below 2^32. */
export function optionalCount(value: Json | undefined, path: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'bigint') throw wrongShape(path, `invalid type: ${typeName(value)}, expected u32`)
  if (value < 0n || value > 0xffff_ffffn) throw wrongShape(path, `invalid value: integer \`${value}\`, expected u32`)
  return Number(value)
}

export function optionalNumber(value: Json | undefined, path: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'bigint' && typeof value !== 'number') throw wrongShape(path, `invalid type: ${typeName(value)}, expected a number`)
  return Number(value)
}

export function asList(value: Json | undefined, path: string): Json[] {
  if (value === undefined) throw wrongShape('', `missing field \`${path}\``)
  if (!Array.isArray(value)) throw wrongShape(path, `invalid type: ${typeName(value)}, expected a sequence`)
  return value
}

export function optionalTexts(value: Json | undefined, path: string): string[] | undefined {
  return value === undefined ? undefined : asList(value, path).map((each, i) => asText(each, `${path}[${i}]`))
}

export function typeName(value: Json | undefined): string {
  if (value === undefined || value === null) return 'null'
  if (Array.isArray(value)) return 'sequence'
  if (typeof value === 'bigint') return `integer \`${value}\``
  if (typeof value === 'number') return `floating point \`${value}\``
  if (typeof value === 'boolean') return `boolean \`${value}\``
  return typeof value === 'string' ? `string ${JSON.stringify(value.slice(0, 80))}` : 'map'
}

/** The components of a query. @throws {ChromaError} 422 for what is no list of numbers. */
export function asVector(value: Json | undefined, path: string): Float32Array {
  const list = asList(value, path)
  const vector = new Float32Array(list.length)
  for (let i = 0; i < list.length; i++) {
    const each = list[i]
    if (typeof each !== 'number' && typeof each !== 'bigint') throw wrongShape(`${path}[${i}]`, `invalid type: ${typeName(each)}, expected f32`)
    vector[i] = Number(each)
    if (!Number.isFinite(vector[i])) throw wrongShape(`${path}[${i}]`, `invalid value: ${typeName(each)}, expected f32`)
  }
  return vector
}
