import { createHash, timingSafeEqual } from 'node:crypto'
import { WindlassError } from '../base/errors.ts'

/** What a key allows; each includes the ones before it. */
export const roles = ['read', 'write', 'admin'] as const
export type Role = (typeof roles)[number]

/** Who may do what: the one key model behind every door. */
export interface AccessKey {
  readonly id: string
  readonly secret: string
  readonly role: Role
  /** Names, or prefixes that end with `*`; absent: every collection. */
  readonly collections?: readonly string[]
}

/** The keys as they are now; they may change while the server runs. */
export interface KeySource {
  keys(): readonly AccessKey[]
}

/** What one caller may do. */
export class Access {
  readonly keyId: string
  readonly role: Role
  readonly #collections: readonly string[] | undefined

  constructor(keyId: string, role: Role, collections?: readonly string[]) {
    this.keyId = keyId
    this.role = role
    this.#collections = collections
  }

  /** Whether the caller may see every collection. */
  get isUnscoped(): boolean {
    return this.#collections === undefined
  }

  reaches(collection: string): boolean {
    if (this.#collections === undefined) return true
    return this.#collections.some((pattern) => (pattern.endsWith('*') ? collection.startsWith(pattern.slice(0, -1)) : collection === pattern))
  }

  /** @throws {WindlassError} `denied`, naming the key and what it lacks. */
  require(role: Role, collection?: string): void {
    if (roles.indexOf(this.role) < roles.indexOf(role)) {
      throw new WindlassError('denied', `key ${JSON.stringify(this.keyId)} has role ${this.role}, this needs ${role}`)
    }
    if (collection !== undefined && !this.reaches(collection)) {
      throw new WindlassError('denied', `key ${JSON.stringify(this.keyId)} does not reach collection ${JSON.stringify(collection)}`, { path: 'collection' })
    }
  }
}

/** Everyone, where no keys are configured: the server then answers this machine only. */
export const openAccess = new Access('none', 'admin')

/**
 * Whose secret this is. Every key is compared, each in constant time, so that the time tells nothing of any of them.
 * @param keyId When the caller named one; it must then be that key.
 */
export function findKey(keys: readonly AccessKey[], secret: string, keyId?: string): AccessKey | null {
  let found: AccessKey | null = null
  for (const key of keys) if (sameText(key.secret, secret) && (keyId === undefined || sameText(key.id, keyId))) found = key
  return found
}

/** Equal, found out in a time that does not depend on where they differ. */
export function sameText(a: string, b: string): boolean {
  // Hashes have one length, which timingSafeEqual needs, and which hides the length of the secret.
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}

/**
 * What the `Authorization` header of a request allows: `Bearer <secret>`, or Basic with id and secret.
 * @throws {WindlassError} `unauthenticated` when keys are configured and none of them was sent.
 */
export function authenticate(keys: readonly AccessKey[], authorization: string | null): Access {
  if (keys.length === 0) return openAccess
  if (!authorization) throw new WindlassError('unauthenticated', 'this server needs a key: send "Authorization: Bearer <secret>"')
  const [scheme = '', value = ''] = authorization.trim().split(/\s+/, 2)
  let key: AccessKey | null = null
  if (/^bearer$/i.test(scheme)) key = findKey(keys, value)
  else if (/^basic$/i.test(scheme)) {
    const [id = '', ...rest] = Buffer.from(value, 'base64').toString('utf8').split(':')
    key = findKey(keys, rest.join(':'), id)
  } else throw new WindlassError('unauthenticated', `authorization scheme ${JSON.stringify(scheme.slice(0, 20))} is not known: use Bearer or Basic`)
  if (!key) throw new WindlassError('unauthenticated', 'the key is not one of those configured')
  return new Access(key.id, key.role, key.collections)
}

/**
 * Reads the list of keys.
 * @throws {WindlassError} `invalid`, naming the entry; never the secret.
 */
export function parseKeys(json: string, origin: string): AccessKey[] {
  let list: unknown
  try {
    list = JSON.parse(json)
  } catch {
    throw new WindlassError('invalid', `${origin} is not JSON: expected [{"id": "…", "secret": "…", "role": "read"}]`, { path: 'keys' })
  }
  if (!Array.isArray(list)) throw new WindlassError('invalid', `${origin} is not a list of keys`, { path: 'keys' })
  const keys = list.map((entry, i) => parseKey(entry, `${origin}[${i}]`))
  const twice = keys.find(({ id }, i) => keys.findIndex((key) => key.id === id) < i)
  if (twice) throw new WindlassError('invalid', `${origin} has two keys with id ${JSON.stringify(twice.id)}`, { path: 'keys' })
  return keys
}

const secretLengthMin = 16

function parseKey(entry: unknown, place: string): AccessKey {
  const fail = (path: string, expected: string) => new WindlassError('invalid', `${place}.${path}: expected ${expected}`, { path: `keys.${path}` })
  if (typeof entry !== 'object' || entry === null) throw fail('', 'an object')
  const { id, secret, role, collections, ...rest } = entry as Record<string, unknown>
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw fail(unknown, 'only id, secret, role and collections')
  if (typeof id !== 'string' || !/^[\w.@-]{1,128}$/.test(id)) throw fail('id', 'letters, digits, "_", ".", "@" and "-"')
  if (typeof secret !== 'string' || secret.length < secretLengthMin || /\s/.test(secret)) throw fail('secret', `at least ${secretLengthMin} characters without spaces`)
  if (!roles.includes(role as Role)) throw fail('role', roles.join(', '))
  if (collections !== undefined && !(Array.isArray(collections) && collections.every((name) => typeof name === 'string'))) throw fail('collections', 'a list of names')
  return { id, secret, role: role as Role, ...(collections !== undefined && { collections: collections as string[] }) }
}
