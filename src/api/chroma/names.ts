import { invalid } from './errors.ts'

/** Where a collection lies for Chroma. */
export interface Place {
  readonly tenant: string
  readonly database: string
}

export const defaultTenant = 'default_tenant'
export const defaultDatabase = 'default_database'
export const defaultPlace: Place = { tenant: defaultTenant, database: defaultDatabase }

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]$/
const address = /^\d{1,3}(\.\d{1,3}){3}$/

/** Whether a collection or database may have this name. */
export function isName(name: string): boolean {
  return pattern.test(name) && !name.includes('..') && !isAddress(name)
}

/** @throws {ChromaError} 400 with the reference's words. @param prefix What it puts before them. */
export function checkName(name: string, prefix = 'Validation error: name: '): void {
  if (!pattern.test(name)) throw invalid(`${prefix}Expected a name containing 3-512 characters from [a-zA-Z0-9._-], starting and ending with a character in [a-zA-Z0-9]. Got: ${name.slice(0, 600)}`)
  if (name.includes('..')) throw invalid(`${prefix}Expected a name that does not contains two consecutive periods (..). Got ${name}`)
  if (isAddress(name)) throw invalid(`${prefix}Expected a name that is not a valid ip address. Got ${name}`)
}

function isAddress(name: string): boolean {
  return address.test(name) && name.split('.').every((part) => Number(part) <= 255)
}

/**
 * What the names of a place's collections begin with: nothing in the default database, so that Chroma, `/v1` and the library see one
 * collection under one name; `<database>/` in the others of the default tenant, where a vector bucket of S3 Vectors is a database;
 * `<tenant>/<database>/` elsewhere. None of the parts can hold a slash.
 */
export function prefixOf({ tenant, database }: Place): string {
  if (tenant !== defaultTenant) return `${encodeURIComponent(tenant)}/${database}/`
  return database === defaultDatabase ? '' : `${database}/`
}

/** The collection that a name means in a place. */
export function collectionOf(place: Place, name: string): string {
  return prefixOf(place) + name
}

/** A collection's place and name for Chroma; null for one that Chroma cannot name. */
export function placeOf(collection: string): (Place & { readonly name: string }) | null {
  const parts = collection.split('/')
  const name = parts.at(-1)!
  const [tenant, database] = parts.length === 1 ? [defaultTenant, defaultDatabase] : parts.length === 2 ? [defaultTenant, parts[0]!] : [decoded(parts[0]!), parts[1]!]
  if (parts.length > 3 || tenant === null || !isName(name) || !isName(database)) return null
  return collectionOf({ tenant, database }, name) === collection ? { tenant, database, name } : null
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}
