export { ChromaClient, type EmbeddedClientOptions, type EmbeddingFunction, type NewCollection } from './embedded-client.ts'
export type { EmbeddedCollection, GetResult, IncludeName, QueryResult, Records } from './embedded-collection.ts'
export { ChromaError } from './errors.ts'
export type { Plain } from './plain-values.ts'
