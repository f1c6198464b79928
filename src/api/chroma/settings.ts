import { isDeepStrictEqual } from 'node:util'
import type { CollectionSchema } from '../../format/manifest.ts'
import { invalid, wrongShape } from './errors.ts'
import { defaultSchema } from './default-schema.ts'
import { parseJson, type Json } from './parse-json.ts'
import { asObject, isObject, member, optionalNumber, typeName, type JsonObject } from './read-body.ts'
import { Float, toWritable, writeJson } from './write-json.ts'

export const spaces = ['l2', 'cosine', 'ip'] as const
export type Space = (typeof spaces)[number]

/** What a collection is for Chroma, besides its records. Our index needs none of the numbers; clients get back what they set. */
export interface ChromaSettings {
  readonly space: Space
  readonly hnsw: Readonly<Record<string, number>>
  /** JSON text, untouched; null where none was given. */
  readonly embeddingFunction: string | null
  /** JSON text of the metadata; null where there is none. */
  readonly metadata: string | null
  /** JSON text of the schema a client gave. */
  readonly schema: string | null
  /** Forks that were made of it. */
  readonly forkCount: number
}

const hnswDefaults = { ef_construction: 100, ef_search: 100, max_neighbors: 16, resize_factor: 1.2, sync_threshold: 1000 }
const hidden = { num_threads: 2, batch_size: 100 }
const changeable = ['ef_search', 'max_neighbors', 'num_threads', 'resize_factor', 'sync_threshold', 'batch_size']
const fields = new Set([...Object.keys(hnswDefaults), ...Object.keys(hidden)])
// What clients of before 0.6 put into the metadata.
const legacy: Readonly<Record<string, string>> = { construction_ef: 'ef_construction', search_ef: 'ef_search', M: 'max_neighbors', resize_factor: 'resize_factor', sync_threshold: 'sync_threshold', num_threads: 'num_threads', batch_size: 'batch_size' }

export const metricOf: Readonly<Record<Space, CollectionSchema['metric']>> = { l2: 'euclidean', cosine: 'cosine', ip: 'dot' }

/** The settings that a request to create a collection asks for. @throws {ChromaError} 400, 422. */
export function newSettings(body: JsonObject): ChromaSettings {
  const metadata = readMetadata(member(body, 'metadata'), 'metadata')
  const old = legacySettings(metadata)
  const configuration = readConfiguration(member(body, 'configuration'), 'configuration')
  const schema = member(body, 'schema')
  const fromSchema = readConfiguration(schema === undefined ? undefined : vectorConfiguration(asObject(schema, 'schema')), 'schema')
  // Clients send a configuration beside every schema: one of the two has to be what they send when nothing was asked for.
  if (!isDefault(configuration) && !isDefault(fromSchema)) throw invalid('Cannot set both collection configuration and schema: give the vector index in one of them')
  const index = isDefault(fromSchema) ? configuration : fromSchema
  return {
    space: index.space ?? old.space ?? 'l2',
    hnsw: { ...old.hnsw, ...index.hnsw },
    embeddingFunction: index.embeddingFunction ?? configuration.embeddingFunction ?? null,
    metadata: metadata ? toText(metadata) : null,
    schema: schema === undefined ? null : toText(withoutVectorIndex(schema)),
    forkCount: 0,
  }
}

/** Whether a client asks for nothing in particular. */
function isDefault({ space, hnsw, embeddingFunction }: GivenConfiguration): boolean {
  const named = embeddingFunction === undefined ? null : parseJson(embeddingFunction)
  const isUnnamed = !isObject(named) || named.type !== 'known' || named.name === 'default'
  return (space === undefined || space === 'l2') && Object.keys(hnsw).length === 0 && isUnnamed
}

/** A schema without what settings hold of its vector index, which `describeSettings` puts back. */
function withoutVectorIndex(schema: Json): Json {
  if (!isObject(schema)) return schema
  const kept = Object.entries(schema).flatMap(([key, value]): [string, Json][] => {
    if (key !== 'vector_index' || !isObject(value) || !isObject(value.config ?? null)) return [[key, withoutVectorIndex(value)]]
    const config = Object.entries(value.config as JsonObject).filter(([name]) => !['space', 'embedding_function', 'hnsw', 'spann'].includes(name))
    return [[key, { ...value, config: Object.fromEntries(config) }]]
  })
  return Object.fromEntries(kept)
}

/** As `newSettings`, of a request to change one. */
export function changedSettings(old: ChromaSettings, body: JsonObject): ChromaSettings {
  const metadata = readMetadata(member(body, 'new_metadata'), 'new_metadata')
  const given = member(body, 'new_configuration')
  const hnsw = given === undefined ? undefined : member(asObject(given, 'new_configuration'), 'hnsw')
  for (const name of Object.keys(hnsw === undefined ? {} : asObject(hnsw, 'new_configuration.hnsw'))) {
    if (!changeable.includes(name)) throw wrongShape(`new_configuration.hnsw.${name}`, `unknown field \`${name}\`, expected one of ${changeable.map((each) => `\`${each}\``).join(', ')}`)
  }
  const configuration = readConfiguration(given, 'new_configuration')
  return {
    ...old,
    hnsw: { ...old.hnsw, ...configuration.hnsw },
    embeddingFunction: configuration.embeddingFunction ?? old.embeddingFunction,
    metadata: metadata ? toText(metadata) : old.metadata,
  }
}

/** What is kept of a collection; one that another door made has the defaults of its metric. */
export function settingsOf({ metric, custom }: Pick<CollectionSchema, 'metric' | 'custom'>): ChromaSettings {
  const space = spaces.find((each) => metricOf[each] === metric)!
  const kept = (custom.chroma ?? {}) as unknown as Partial<ChromaSettings>
  return { hnsw: {}, embeddingFunction: null, metadata: null, schema: null, forkCount: 0, ...kept, space }
}

/** `configuration_json` and `schema` of a collection. */
export function describeSettings({ space, hnsw, embeddingFunction, schema }: ChromaSettings): { configuration: unknown; schema: unknown } {
  const whole = { ...hnswDefaults, ...hidden, ...hnsw }
  const { ef_construction, ef_search, max_neighbors, resize_factor, sync_threshold, num_threads, batch_size } = whole
  const named = embeddingFunction === null ? null : revive(embeddingFunction)
  const configuration = {
    hnsw: { space, ef_construction, ef_search, max_neighbors, resize_factor, sync_threshold },
    spann: null,
    embedding_function: named,
  }
  const index = { space, ...(named !== null && { embedding_function: named }), hnsw: { ef_construction, max_neighbors, ef_search, num_threads, batch_size, sync_threshold, resize_factor } }
  const template = defaultSchema(index)
  return { configuration, schema: schema === null ? template : merge(template, revive(schema)) }
}

/** JSON that was kept, as it is to be written. */
export function revive(text: string): unknown {
  return toWritable(parseJson(text))
}

/** JSON text in which integers and floats stay what they are. */
function toText(value: Json): string {
  return [...writeJson(toWritable(value))].join('')
}

interface GivenConfiguration {
  readonly space: Space | undefined
  readonly hnsw: Record<string, number>
  readonly embeddingFunction: string | undefined
}

function readConfiguration(value: Json | undefined, path: string): GivenConfiguration {
  if (value === undefined) return { space: undefined, hnsw: {}, embeddingFunction: undefined }
  const configuration = asObject(value, path)
  const hnsw = member(configuration, 'hnsw')
  const spann = member(configuration, 'spann')
  if (hnsw !== undefined && spann !== undefined) throw invalid('Multiple vector index configurations provided')
  const index = hnsw ?? spann
  const given = index === undefined ? {} : asObject(index, `${path}.hnsw`)
  const embeddingFunction = member(configuration, 'embedding_function')
  const numbers: Record<string, number> = {}
  // What belongs to the other index is taken for its space only, as the reference does.
  for (const [name, each] of Object.entries(hnsw === undefined ? {} : given)) {
    if (name === 'space' || !fields.has(name) || each === null) continue
    numbers[name] = optionalNumber(each, `${path}.hnsw.${name}`)!
  }
  return { space: readSpace(member(given, 'space') ?? member(configuration, 'space'), `${path}.hnsw.space`), hnsw: numbers, embeddingFunction: embeddingFunction === undefined ? undefined : toText(embeddingFunction) }
}

function readSpace(value: Json | undefined, path: string): Space | undefined {
  if (value === undefined) return undefined
  const space = spaces.find((each) => each === value)
  if (!space) throw wrongShape(path, `unknown variant ${typeof value === 'string' ? `\`${value}\`` : typeName(value)}, expected one of \`l2\`, \`cosine\`, \`ip\``)
  return space
}

/** Where a schema has what a configuration has. */
export function vectorConfiguration(schema: JsonObject): Json | undefined {
  const path = ['keys', '#embedding', 'float_list', 'vector_index', 'config']
  let at: Json | undefined = schema
  for (const name of path) at = isObject(at) ? member(at, name) : undefined
  return at
}

function legacySettings(metadata: JsonObject | null): { space: Space | undefined; hnsw: Record<string, number> } {
  const hnsw: Record<string, number> = {}
  let space: Space | undefined
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (key === 'hnsw:space') {
      space = spaces.find((each) => each === value)
      if (!space) throw invalid('Failed to parse hnsw parameters from segment metadata')
    }
    const name = legacy[key.replace(/^hnsw:/, '')]
    if (key.startsWith('hnsw:') && name !== undefined) {
      if (typeof value !== 'bigint' && typeof value !== 'number') throw invalid('Failed to parse hnsw parameters from segment metadata')
      hnsw[name] = Number(value)
    }
  }
  return { space, hnsw }
}

function readMetadata(value: Json | undefined, path: string): JsonObject | null {
  if (value === undefined) return null
  const metadata = asObject(value, path)
  if (Object.keys(metadata).length === 0) throw invalid(`Validation error: ${path}: Metadata cannot be empty`)
  for (const [key, each] of Object.entries(metadata)) {
    const isScalar = typeof each === 'string' || typeof each === 'boolean' || typeof each === 'bigint' || typeof each === 'number'
    if (!isScalar && !(Array.isArray(each) && each.every((element) => typeof element === typeof each[0] && typeof element !== 'object'))) throw wrongShape(`${path}.${key}`, 'data did not match any variant of untagged enum MetadataValue')
  }
  return metadata
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over) || isDeepStrictEqual(base, over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) merged[key] = key in merged ? merge(merged[key], value) : value
  return merged
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float)
}
