import type { Clock } from '../../../src/base/clock.ts'
import type { Random } from '../../../src/base/random.ts'

/** What a policy allows or denies: actions on resources, with `*` for anything. */
export interface Grant {
  readonly effect?: 'Allow' | 'Deny'
  readonly actions: readonly string[]
  readonly resources: readonly string[]
}

export interface User {
  readonly arn: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly grants: readonly Grant[]
}

export interface Role {
  readonly arn: string
  /** Principals of the trust policy: users, roles, or the root of an account for everyone in it. */
  readonly trusts: readonly string[]
  /** StringEquals sts:ExternalId, where there is one. */
  readonly externalId?: string
  readonly secondsMax?: number
  readonly grants: readonly Grant[]
}

export interface Session {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly role: Role
  readonly arn: string
  expiresAt: number
}

/** Who asks, once the keys were found good. */
export interface Caller {
  /** As GetCallerIdentity says. */
  readonly arn: string
  readonly userId: string
  /** As policies name it: of a session, its role. */
  readonly principal: string
  readonly isSession: boolean
  readonly grants: readonly Grant[]
}

/** Refused as AWS refuses. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Users, roles and sessions of a few accounts: what the doubles of STS and of S3 share. Rules: docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export class Accounts {
  readonly users: User[] = []
  readonly roles: Role[] = []
  readonly sessions: Session[] = []
  readonly clock: Clock
  readonly #random: Random
  /** Sessions that are shorter than AWS would give, so that a test sees them end. */
  sessionMs: number | null = null

  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.clock = clock
    this.#random = random
  }

  /** @throws {Refusal} for keys that nobody has, or that have expired. */
  callerOf(accessKeyId: string, sessionToken: string | null): Caller {
    const user = this.users.find((each) => each.accessKeyId === accessKeyId)
    if (user) return { arn: user.arn, userId: `AIDA${user.accessKeyId}`, principal: user.arn, isSession: false, grants: user.grants }
    const session = this.sessions.find((each) => each.accessKeyId === accessKeyId)
    if (!session) throw new Refusal(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    if (session.sessionToken !== sessionToken) throw new Refusal(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    if (session.expiresAt <= this.clock.now()) throw new Refusal(403, 'ExpiredToken', 'The security token included in the request is expired')
    return { arn: session.arn, userId: `AROA:${session.arn.split('/').at(-1)}`, principal: session.role.arn, isSession: true, grants: session.role.grants }
  }

  /** @throws {Refusal} `AccessDenied` unless the caller's policies allow it and none denies it. */
  require(caller: Caller, action: string, resource: string): void {
    const matching = caller.grants.filter(({ actions, resources }) => actions.some((each) => matches(each, action)) && resources.some((each) => matches(each, resource)))
    if (matching.some(({ effect }) => effect === 'Deny')) throw denied(caller, action, resource, 'with an explicit deny in an identity-based policy')
    if (matching.length === 0) throw denied(caller, action, resource, `because no identity-based policy allows the ${action} action`)
  }

  /** @throws {Refusal} */
  assume(caller: Caller, { roleArn, sessionName, externalId, seconds }: { roleArn: string; sessionName: string; externalId: string | null; seconds: number }): Session {
    const role = this.roles.find(({ arn }) => arn === roleArn)
    const refused = denied(caller, 'sts:AssumeRole', roleArn)
    if (!role) throw refused
    if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) throw invalid(`1 validation error detected: Value '${sessionName}' at 'roleSessionName' failed to satisfy constraint`)
    if (seconds < 900 || seconds > 43_200) throw invalid(`1 validation error detected: Value '${seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200`)
    if (seconds > (role.secondsMax ?? 3600)) throw invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.')
    if (caller.isSession && seconds > 3600) throw invalid('The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.')
    const account = role.trusts.includes(`arn:aws:iam::${caller.arn.split(':')[4]}:root`)
    if (!account && !role.trusts.includes(caller.principal)) throw refused
    if (role.externalId !== undefined && role.externalId !== externalId) throw refused
    // In another account, or where the trust policy names the account, the caller's own policy decides as well.
    if (account || caller.arn.split(':')[4] !== roleArn.split(':')[4]) this.require(caller, 'sts:AssumeRole', roleArn)
    const letters = (count: number) => Array.from(this.#random.bytes(count), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('')
    const [, , , , accountId, path = ''] = roleArn.split(':')
    const session = {
      accessKeyId: `ASIA${letters(16)}`,
      secretAccessKey: letters(40),
      sessionToken: `token/${letters(60)}=`,
      role,
      arn: `arn:aws:sts::${accountId}:assumed-role/${path.split('/').at(-1)}/${sessionName}`,
      expiresAt: this.clock.now() + (this.sessionMs ?? seconds * 1000),
    }
    this.sessions.push(session)
    return session
  }
}

function denied(caller: Caller, action: string, resource: string, why?: string): Refusal {
  return new Refusal(403, 'AccessDenied', `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${action.startsWith('s3:') ? `"${resource}"` : resource}${why === undefined ? '' : ` ${why}`}`)
}

function invalid(message: string): Refusal {
  return new Refusal(400, 'ValidationError', message)
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's').test(text)
}
