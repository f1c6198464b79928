import { utf8Length } from '../../base/bytes.ts'
import type { Metadata } from '../../format/record.ts'
import type { Quotas } from './context.ts'
import { S3VectorsError } from './errors.ts'

/**
 * Checks the metadata of one vector: strings, numbers, booleans and lists of these, within the service's limits.
 * Sizes are UTF-8 bytes of keys and values, as JSON has them.
 * @throws {S3VectorsError} `ValidationException` naming the key.
 */
export function checkMetadata(vectorKey: string, metadata: Readonly<Record<string, unknown>>, nonFilterable: ReadonlySet<string>, quotas: Quotas): Metadata {
  const refuse = (message: string) => new S3VectorsError('ValidationException', `Invalid record for key '${vectorKey}': ${message}`)
  const entries = Object.entries(metadata)
  if (entries.length > quotas.metadataKeys) throw refuse(`metadata must have at most ${quotas.metadataKeys} keys, but has ${entries.length}`)
  let total = 0
  let filterable = 0
  for (const [key, value] of entries) {
    if (!isValue(value) && !(Array.isArray(value) && value.every(isValue))) throw refuse(`metadata value of '${key}' must be a string, number, boolean or a list of these`)
    const size = utf8Length(key) + utf8Length(typeof value === 'string' ? value : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)))
    total += size
    if (!nonFilterable.has(key)) filterable += size
  }
  if (total > quotas.metadataBytes) throw refuse(`metadata must have at most ${quotas.metadataBytes} bytes, but has ${total}`)
  if (filterable > quotas.filterableMetadataBytes) throw refuse(`Filterable metadata must have at most ${quotas.filterableMetadataBytes} bytes, but has ${filterable}`)
  return metadata as Metadata
}

function isValue(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))
}
