import { WindlassError } from '../base/errors.ts'
import { AwsError, AwsService, textOf, type AwsServiceSettings } from './aws-service.ts'
import type { AwsCredentials } from './credentials.ts'

export interface AssumeRoleRequest {
  readonly roleArn: string
  readonly externalId?: string
  /** Of the session, in the logs of the account that owns the role; 2 to 64 letters, digits and `=,.@-_`. */
  readonly sessionName: string
  readonly durationSeconds?: number
}

// The most that a chain of roles may have, and the least that a role's own limit can be.
const durationSecondsDefault = 3600

/** Takes roles, and says who somebody is: two operations of AWS's Security Token Service (Query API, version 2011-06-15). */
export class Sts {
  readonly #service: AwsService

  constructor(settings: Omit<AwsServiceSettings, 'service'>) {
    this.#service = new AwsService({ service: 'sts', ...settings })
  }

  /**
   * Temporary keys of a role.
   * @throws {WindlassError} `denied` where the role's trust policy does not let the caller in, naming caller, role and remedy; AWS
   * answers the same when there is no such role.
   */
  async assumeRole({ roleArn, externalId, sessionName, durationSeconds = durationSecondsDefault }: AssumeRoleRequest, credentials: AwsCredentials): Promise<AwsCredentials> {
    let xml: string
    try {
      xml = await this.#call('AssumeRole', { RoleArn: roleArn, RoleSessionName: sessionName, DurationSeconds: String(durationSeconds), ...(externalId !== undefined && { ExternalId: externalId }) }, credentials)
    } catch (error) {
      throw error instanceof AwsError ? await this.#refusal(error, roleArn, externalId, credentials) : error
    }
    const [accessKeyId, secretAccessKey, sessionToken, expiration] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map((name) => textOf(xml, name))
    const expiresAt = Date.parse(expiration ?? '')
    if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) throw new WindlassError('unavailable', `sts:AssumeRole of ${roleArn}: the answer has no credentials in it`)
    const principal = /<AssumedRoleUser>.*?<Arn>([^<]+)<\/Arn>/s.exec(xml)?.[1]
    return { accessKeyId, secretAccessKey, sessionToken, expiresAt, ...(principal !== undefined && { principal }) }
  }

  /** ARN of whoever has these keys: needs no permission. */
  async callerArn(credentials: AwsCredentials, signal?: AbortSignal): Promise<string> {
    const arn = textOf(await this.#call('GetCallerIdentity', {}, credentials, signal), 'Arn')
    if (arn === undefined) throw new WindlassError('unavailable', 'sts:GetCallerIdentity: the answer names nobody')
    return arn
  }

  #call(operation: string, parameters: Readonly<Record<string, string>>, credentials: AwsCredentials, signal?: AbortSignal): Promise<string> {
    const body = new URLSearchParams({ Action: operation, Version: '2011-06-15', ...parameters }).toString()
    return this.#service.call({ action: `sts:${operation}`, headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body, ...(signal && { signal }) }, credentials)
  }

  async #refusal(error: AwsError, roleArn: string, externalId: string | undefined, credentials: AwsCredentials): Promise<WindlassError> {
    const options = { operation: 'sts:AssumeRole', ...(error.details.status !== undefined && { status: error.details.status }), cause: error }
    if (error.code === 'AccessDenied') {
      const who = credentials.principal ?? /User: (\S+)/.exec(error.reason)?.[1] ?? (await this.callerArn(credentials).catch(() => `the owner of key ${credentials.accessKeyId}`))
      const which = externalId === undefined ? 'without an external id' : 'with the external id that was given'
      return new WindlassError('denied', `${who} may not sts:AssumeRole ${roleArn} ${which}: the role may not exist, its trust policy must name this principal and this external id, and the principal's own policy must allow it; windlass iam prints both`, options)
    }
    const remedy = error.kind === 'unauthenticated' ? ': check the credentials that the role is taken with' : /Duration/.test(error.reason) ? ': the role allows shorter sessions only' : ''
    return new WindlassError(error.kind, `sts:AssumeRole of ${roleArn}: ${error.code}: ${error.reason.replace(/\.$/, '')}${remedy}`, options)
  }
}
