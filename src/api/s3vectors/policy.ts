import { S3VectorsError } from './errors.ts'
import { isObject } from './shapes.ts'

/** One statement of a bucket policy, its scalars made lists. */
interface Statement {
  readonly effect: 'Allow' | 'Deny'
  readonly principals: readonly string[]
  readonly actions: readonly string[]
  readonly notActions: readonly string[]
  readonly resources: readonly string[]
  readonly conditions: readonly Condition[]
}

interface Condition {
  readonly operator: ConditionOperator
  readonly ifExists: boolean
  readonly key: string
  readonly values: readonly string[]
}

/** What a request is, for the policy to judge. */
export interface PolicyRequest {
  /** ARN of the caller. */
  readonly principal: string
  readonly accountId: string
  /** `s3vectors:PutVectors` */
  readonly action: string
  readonly resource: string
  /** Condition keys in lower case: `aws:sourceip`, `aws:securetransport`, `aws:username`. */
  readonly context: Readonly<Record<string, string>>
}

type ConditionOperator = keyof typeof conditionOperators

const conditionOperators = {
  StringEquals: (found: string, value: string) => found === value,
  StringNotEquals: (found: string, value: string) => found !== value,
  StringEqualsIgnoreCase: (found: string, value: string) => found.toLowerCase() === value.toLowerCase(),
  StringLike: (found: string, value: string) => matchesWildcard(value, found),
  StringNotLike: (found: string, value: string) => !matchesWildcard(value, found),
  ArnEquals: (found: string, value: string) => matchesWildcard(value, found),
  ArnLike: (found: string, value: string) => matchesWildcard(value, found),
  IpAddress: (found: string, value: string) => isInRange(found, value),
  NotIpAddress: (found: string, value: string) => !isInRange(found, value),
  Bool: (found: string, value: string) => found.toLowerCase() === value.toLowerCase(),
} as const
// All values must differ, where for the others one that fits is enough.
const negated = new Set<string>(['StringNotEquals', 'StringNotLike', 'NotIpAddress'])
const conditionKeys = new Set(['aws:sourceip', 'aws:securetransport', 'aws:username', 'aws:principalarn', 'aws:principalaccount'])
const policyBytesMax = 20 * 1024

/**
 * Reads a policy. What this does not understand is refused, so that no statement is silently without effect.
 * @throws {S3VectorsError} `ValidationException` naming the place.
 */
export function parsePolicy(text: string): Statement[] {
  if (text.length > policyBytesMax) throw invalid(`has ${text.length} characters, at most ${policyBytesMax}`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw invalid('is not JSON')
  }
  if (!isObject(json)) throw invalid('is not an object')
  const { Version, Id: _id, Statement: statements, ...rest } = json
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw invalid(`has unknown element ${unknown}`)
  if (Version !== '2012-10-17' && Version !== '2008-10-17') throw invalid('needs Version "2012-10-17"')
  const list = Array.isArray(statements) ? statements : [statements]
  if (list.length === 0) throw invalid('has no Statement')
  return list.map((statement, i) => parseStatement(statement, `Statement[${i}]`))
}

function parseStatement(json: unknown, path: string): Statement {
  if (!isObject(json)) throw invalid(`${path} is not an object`)
  const { Sid: _sid, Effect, Principal, Action, NotAction, Resource, Condition: conditions, ...rest } = json
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw invalid(`${path} has element ${unknown}, which is not supported`)
  if (Effect !== 'Allow' && Effect !== 'Deny') throw invalid(`${path}.Effect must be Allow or Deny`)
  if ((Action === undefined) === (NotAction === undefined)) throw invalid(`${path} needs Action or NotAction`)
  const actions = Action === undefined ? [] : texts(Action, `${path}.Action`)
  const notActions = NotAction === undefined ? [] : texts(NotAction, `${path}.NotAction`)
  const foreign = [...actions, ...notActions].find((action) => action !== '*' && !/^s3vectors:[\w*?]+$/i.test(action))
  if (foreign !== undefined) throw invalid(`${path} has action ${foreign}, expected s3vectors:…`)
  return { effect: Effect, principals: parsePrincipals(Principal, path), actions, notActions, resources: texts(Resource, `${path}.Resource`), conditions: parseConditions(conditions, path) }
}

function parsePrincipals(json: unknown, path: string): string[] {
  if (json === '*') return ['*']
  if (!isObject(json) || Object.keys(json).some((kind) => kind !== 'AWS')) throw invalid(`${path}.Principal must be "*" or {"AWS": …}`)
  return texts(json.AWS, `${path}.Principal.AWS`)
}

function parseConditions(json: unknown, path: string): Condition[] {
  if (json === undefined) return []
  if (!isObject(json)) throw invalid(`${path}.Condition is not an object`)
  return Object.entries(json).flatMap(([name, keys]) => {
    const ifExists = name.endsWith('IfExists')
    const operator = (ifExists ? name.slice(0, -'IfExists'.length) : name) as ConditionOperator
    if (!Object.hasOwn(conditionOperators, operator)) throw invalid(`${path}.Condition has operator ${name}, which is not supported`)
    if (!isObject(keys)) throw invalid(`${path}.Condition.${name} is not an object`)
    return Object.entries(keys).map(([key, values]) => {
      if (!conditionKeys.has(key.toLowerCase())) throw invalid(`${path}.Condition.${name} has key ${key}, which is not supported`)
      const list = (Array.isArray(values) ? values : [values]).map((value) => (typeof value === 'boolean' ? String(value) : value))
      if (!list.every((value) => typeof value === 'string')) throw invalid(`${path}.Condition.${name}.${key} must be text`)
      if (/IpAddress/.test(operator) && !list.every((value) => parseRange(value) !== null)) throw invalid(`${path}.Condition.${name}.${key} is not an IP range`)
      return { operator, ifExists, key: key.toLowerCase(), values: list }
    })
  })
}

function texts(json: unknown, path: string): string[] {
  const list = Array.isArray(json) ? json : [json]
  if (list.length === 0 || !list.every((each) => typeof each === 'string' && each !== '')) throw invalid(`${path} must be text or a list of texts`)
  return list as string[]
}

/** What the statements say of a request; a Deny wins over every Allow. */
export function evaluatePolicy(statements: readonly Statement[], request: PolicyRequest): 'Allow' | 'Deny' | null {
  const applying = statements.filter((statement) => applies(statement, request))
  if (applying.some(({ effect }) => effect === 'Deny')) return 'Deny'
  return applying.length > 0 ? 'Allow' : null
}

function applies({ principals, actions, notActions, resources, conditions }: Statement, request: PolicyRequest): boolean {
  const { principal, accountId, action, resource, context } = request
  const isNamed = (patterns: readonly string[]) => patterns.some((pattern) => matchesWildcard(pattern.toLowerCase(), action.toLowerCase()))
  return (
    principals.some((each) => each === '*' || each === principal || each === accountId || each === `arn:aws:iam::${accountId}:root`) &&
    (actions.length > 0 ? isNamed(actions) : !isNamed(notActions)) &&
    resources.some((pattern) => matchesWildcard(pattern, resource)) &&
    conditions.every((condition) => holds(condition, context))
  )
}

function holds({ operator, ifExists, key, values }: Condition, context: PolicyRequest['context']): boolean {
  const found = context[key]
  if (found === undefined) return ifExists || negated.has(operator)
  const test = conditionOperators[operator]
  return negated.has(operator) ? values.every((value) => test(found, value)) : values.some((value) => test(found, value))
}

/** `*` any characters, `?` one. Linear in the text for each star, so no pattern can stall the server. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++
      mark = t
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

function isInRange(address: string, range: string): boolean {
  const parsed = parseRange(range)
  const bits = addressBits(address)
  return parsed !== null && bits !== null && bits.length === parsed.bits.length && bits.slice(0, parsed.prefix) === parsed.bits.slice(0, parsed.prefix)
}

function parseRange(range: string): { bits: string; prefix: number } | null {
  const [address = '', prefixText] = range.split('/')
  const bits = addressBits(address)
  if (bits === null || (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText))) return null
  const prefix = prefixText === undefined ? bits.length : Number(prefixText)
  return prefix <= bits.length ? { bits, prefix } : null
}

/** An address as its 32 or 128 bits; an IPv4 address written as IPv6 counts as IPv4. */
function addressBits(address: string): string | null {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(plain)) {
    const bytes = plain.split('.').map(Number)
    return bytes.every((byte) => byte <= 255) ? bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('') : null
  }
  if (!/^[0-9a-f:]+$/i.test(plain) || !plain.includes(':')) return null
  const [head = '', tail, ...more] = plain.split('::')
  if (more.length > 0) return null
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = 8 - left.length - right.length
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right]
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) ? groups.map((group) => parseInt(group, 16).toString(2).padStart(16, '0')).join('') : null
}

function invalid(message: string): S3VectorsError {
  return new S3VectorsError('ValidationException', `Invalid policy: ${message}`)
}
