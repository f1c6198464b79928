import { messageOf, WindlassError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { AwsError } from './aws-service.ts'
import { CachedCredentials, type AwsCredentials, type CredentialSource } from './credentials.ts'
import { Sts } from './sts.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A role to take, and how. */
export interface RoleRequest {
  readonly role: string
  /** Roles to take before it, each with the keys of the one before. */
  readonly via?: readonly string[]
  /** Sent for `role`, not for those before it. */
  readonly externalId?: string
  /** Whom the logs of the other account name; `windlass` where absent. */
  readonly sessionName?: string
}

/** Keys that are written down somewhere. */
export type GivenKeys = Pick<AwsCredentials, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>

export interface AccessPolicy {
  /** `many`: no role is taken without an external id. */
  readonly tenants: 'one' | 'many'
  /** `forbid`: only keys that expire are used. */
  readonly staticKeys: 'allow' | 'forbid'
}

const rolePattern = /^arn:(aws[a-z-]*):iam::(\d{12}):role\/([\w+=,.@/-]{1,512})$/

/** What this process may do at AWS: the default chain, roles taken with it, and the policy of whoever operates it. */
export class AwsAccess {
  readonly policy: AccessPolicy
  readonly #environment: Environment
  readonly #context: { clock: Clock; random: Random }
  readonly #sts: Sts
  readonly #sources = new Map<string, CredentialSource>()
  readonly #names = new WeakMap<CredentialSource, string>()
  #others = 0

  constructor(environment: Environment, context: { clock: Clock; random: Random }) {
    this.#environment = environment
    this.#context = context
    this.policy = readAccessPolicy(environment)
    const region = regionOf(environment)
    this.#sts = new Sts({ region, endpoint: endpointOf('sts', region, environment), ...context })
  }

  /**
   * The credentials of this process: those given, or else the AWS default chain (environment, SSO, shared files, process, web identity,
   * container, instance).
   */
  own(given?: GivenKeys): CredentialSource {
    if (given && given.sessionToken === undefined) this.#refuseStatic(given.accessKeyId)
    return this.#keep(`own ${given?.accessKeyId ?? ''} ${given?.sessionToken ?? ''}`, () => (given ? this.#source(() => Promise.resolve(given)) : this.#chain()))
  }

  /**
   * Credentials of a role, kept and refreshed for everyone of this process who asks for the same.
   * @param own What the role, or the first before it, is taken with.
   * @throws {WindlassError} `invalid` for what is no role, and without an external id where the policy wants one.
   */
  role({ role, via = [], externalId, sessionName = 'windlass' }: RoleRequest, own: CredentialSource = this.own()): CredentialSource {
    for (const each of [...via, role]) parseRoleArn(each)
    if (externalId === undefined && this.policy.tenants === 'many') {
      throw new WindlassError('invalid', `${role} is to be taken without an external id, and WINDLASS_TENANTS is many: give the source an externalId that you, not the tenant, chose (windlass iam makes one)`, { path: 'externalId' })
    }
    if (externalId !== undefined && !/^[\w+=,.@:/-]{2,1224}$/.test(externalId)) throw new WindlassError('invalid', `the external id for ${role} has ${externalId.length} characters, expected 2 to 1224 of letters, digits and +=,.@:/-_`, { path: 'externalId' })
    const session = sessionNameOf(sessionName)
    const chain = [...via.map((each) => ({ roleArn: each })), { roleArn: role, ...(externalId !== undefined && { externalId }) }]
    let source = own
    let path = ''
    for (const hop of chain) {
      const before = source
      path += JSON.stringify(hop)
      source = this.#keep(`${this.#nameOf(own)} ${session} ${path}`, () => this.#source(() => this.#assume({ ...hop, sessionName: session }, before)))
    }
    return source
  }

  #nameOf(own: CredentialSource): string {
    let name = this.#names.get(own)
    if (name === undefined) this.#names.set(own, (name = `other ${++this.#others}`))
    return name
  }

  #keep(name: string, make: () => CredentialSource): CredentialSource {
    let source = this.#sources.get(name)
    if (!source) {
      this.#sources.set(name, (source = make()))
      this.#names.set(source, name)
    }
    return source
  }

  #source(load: () => Promise<AwsCredentials>): CredentialSource {
    const cached = new CachedCredentials(load, this.#context)
    let known: { accessKeyId: string; arn: string } | null = null
    return {
      get: () => cached.get(),
      refuse: (accessKeyId) => cached.refuse(accessKeyId),
      principal: async () => {
        const credentials = await cached.get().catch(() => null)
        if (!credentials || credentials.principal !== undefined) return credentials?.principal
        if (known?.accessKeyId === credentials.accessKeyId) return known.arn
        // Whose key it is, only the service knows that issued it: other stores' keys are not shown to AWS.
        if (!this.canAskWho()) return `the owner of key ${credentials.accessKeyId}`
        const arn = await this.#sts.callerArn(credentials).catch(() => undefined)
        if (arn !== undefined) known = { accessKeyId: credentials.accessKeyId, arn }
        return arn
      },
    }
  }

  /** Whether the keys of this process are AWS's, as far as its environment tells. */
  canAskWho(): boolean {
    const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS } = this.#environment
    return AWS_ENDPOINT_URL_STS !== undefined || (AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL) === undefined
  }

  #chain(): CredentialSource {
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken, AWS_PROFILE: profile } = this.#environment
    return this.#source(async () => {
      if (accessKeyId && secretAccessKey && !profile) {
        if (!sessionToken) this.#refuseStatic(accessKeyId)
        return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
      }
      // Loaded on demand: the providers take their time. A new one each time: it would keep what was refused.
      const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
      const found = await defaultProvider(profile ? { profile } : {})().catch((cause: unknown) => {
        throw new WindlassError('unauthenticated', `no credentials were found (${messageOf(cause)}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached`, { cause })
      })
      if (found.sessionToken === undefined) this.#refuseStatic(found.accessKeyId)
      const { accessKeyId: id, secretAccessKey: secret, sessionToken: token, expiration } = found
      return { accessKeyId: id, secretAccessKey: secret, ...(token !== undefined && { sessionToken: token }), ...(expiration && { expiresAt: expiration.getTime() }) }
    })
  }

  async #assume(request: Parameters<Sts['assumeRole']>[0], own: CredentialSource): Promise<AwsCredentials> {
    const credentials = await own.get()
    try {
      return await this.#sts.assumeRole(request, credentials)
    } catch (error) {
      const cause = error instanceof WindlassError ? error.cause : undefined
      if (!(cause instanceof AwsError && cause.code.startsWith('ExpiredToken'))) throw error
      own.refuse(credentials.accessKeyId)
      const next = await own.get()
      if (next.accessKeyId === credentials.accessKeyId) throw error
      return this.#sts.assumeRole(request, next)
    }
  }

  #refuseStatic(accessKeyId: string): void {
    if (this.policy.staticKeys === 'allow') return
    throw new WindlassError('denied', `key ${accessKeyId} does not expire, and WINDLASS_STATIC_KEYS is forbid: use a role (instance, container, web identity, SSO), or keys with a session token`, { path: 'accessKeyId' })
  }
}

const accesses = new WeakMap<Environment, AwsAccess>()

/** The access of a process, or of whoever has an environment of their own: what was taken once serves all of its runs. */
export function awsAccess(environment: Environment, context: { clock: Clock; random: Random }): AwsAccess {
  let access = accesses.get(environment)
  if (!access) accesses.set(environment, (access = new AwsAccess(environment, context)))
  return access
}

/** @throws {WindlassError} `invalid` for a value that is none of the choices. */
export function readAccessPolicy(environment: Environment): AccessPolicy {
  const choose = <Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice => {
    const value = environment[name]
    if (value === undefined || value === '') return choices[0]
    const found = choices.find((each) => each === value)
    if (!found) throw new WindlassError('invalid', `${name} is ${JSON.stringify(value)}, expected ${choices.join(' or ')}`, { path: name })
    return found
  }
  return { tenants: choose('WINDLASS_TENANTS', ['one', 'many']), staticKeys: choose('WINDLASS_STATIC_KEYS', ['allow', 'forbid']) }
}

/** Partition, account, path (`/` where there is none) and name of a role. @throws {WindlassError} `invalid`. */
export function parseRoleArn(arn: string): { partition: string; account: string; path: string; name: string } {
  const [, partition, account, path] = rolePattern.exec(arn) ?? []
  if (partition === undefined || account === undefined || path === undefined) throw new WindlassError('invalid', `${JSON.stringify(arn)} is no role: expected arn:aws:iam::<12 digits>:role/<name>`, { path: 'role' })
  return { partition, account, path: `/${path.slice(0, path.lastIndexOf('/') + 1)}`, name: path.slice(path.lastIndexOf('/') + 1) }
}

/** The region of an environment; AWS's first where there is none. */
export function regionOf({ AWS_REGION, AWS_DEFAULT_REGION }: Environment): string {
  const region = AWS_REGION ?? AWS_DEFAULT_REGION
  return region === undefined || region === '' || region === 'auto' ? 'us-east-1' : region
}

/** Where a service is asked: as the environment says for it or for all, else AWS's endpoint in the region. */
export function endpointOf(service: 'sts' | 'sqs', region: string, environment: Environment): string {
  const name = `AWS_ENDPOINT_URL_${service.toUpperCase()}`
  return environment[name] || environment.AWS_ENDPOINT_URL || `https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function sessionNameOf(text: string): string {
  return text.replace(/[^\w+=,.@-]/g, '-').slice(0, 64).padEnd(2, '-')
}
