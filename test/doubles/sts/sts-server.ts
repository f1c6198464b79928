import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toIsoTime } from '../../../src/base/clock.ts'
import { SignatureError, verifySignature } from '../../../src/api/sigv4.ts'
import { Refusal, type Accounts, type Caller } from './accounts.ts'

export interface DoubleServer {
  readonly url: string
  /** What was asked, in order. */
  readonly requests: { action: string; caller: string }[]
  /** Refuses everything so, until it is null again. */
  trouble: Refusal | null
  close(): Promise<void>
}

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/'

/**
 * A double of AWS's Security Token Service: the Query API's AssumeRole and GetCallerIdentity. Checks signatures, trust policies,
 * external ids, durations and expiry, which moto does not.
 */
export async function startSts(accounts: Accounts): Promise<DoubleServer> {
  const requests: DoubleServer['requests'] = []
  const double = { requests, trouble: null as Refusal | null }
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const send = (status: number, xml: string) => response.writeHead(status, { 'content-type': 'text/xml', 'x-amzn-requestid': 'double' }).end(xml)
      try {
        const parameters = new URLSearchParams(body.toString('utf8'))
        const action = parameters.get('Action') ?? ''
        const caller = authenticate(request, body, accounts)
        requests.push({ action, caller: caller.arn })
        if (double.trouble) throw double.trouble
        send(200, answer(action, parameters, caller, accounts))
      } catch (error) {
        const { status, code, message } = error instanceof Refusal ? error : new Refusal(500, 'InternalFailure', String(error))
        send(status, `<ErrorResponse xmlns="${namespace}"><Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>double</RequestId></ErrorResponse>`)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(double, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

function authenticate(request: IncomingMessage, body: Buffer, accounts: Accounts): Caller {
  const headers = new Headers(Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]))
  const url = new URL(request.url ?? '/', 'http://double')
  const keys = [...accounts.users, ...accounts.sessions].map(({ accessKeyId, secretAccessKey }) => ({ id: accessKeyId, secret: secretAccessKey, role: 'read' as const }))
  try {
    const { id } = verifySignature({ method: request.method ?? '', rawPath: url.pathname, query: url.searchParams, headers, body }, keys, { service: 'sts', clock: accounts.clock })
    return accounts.callerOf(id, headers.get('x-amz-security-token'))
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error
    const code = { MissingAuthenticationTokenException: 'MissingAuthenticationToken', UnrecognizedClientException: 'InvalidClientTokenId', InvalidSignatureException: 'SignatureDoesNotMatch' }[error.code]
    throw new Refusal(403, code, error.message)
  }
}

function answer(action: string, parameters: URLSearchParams, caller: Caller, accounts: Accounts): string {
  const wrap = (result: string) => `<${action}Response xmlns="${namespace}"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>double</RequestId></ResponseMetadata></${action}Response>`
  if (action === 'GetCallerIdentity') return wrap(`<Arn>${caller.arn}</Arn><UserId>${caller.userId}</UserId><Account>${caller.arn.split(':')[4]}</Account>`)
  if (action !== 'AssumeRole') throw new Refusal(400, 'InvalidAction', `Could not find operation ${action} for version 2011-06-15`)
  const session = accounts.assume(caller, {
    roleArn: parameters.get('RoleArn') ?? '',
    sessionName: parameters.get('RoleSessionName') ?? '',
    externalId: parameters.get('ExternalId'),
    seconds: Number(parameters.get('DurationSeconds') ?? 3600),
  })
  const { accessKeyId, secretAccessKey, sessionToken, arn, expiresAt } = session
  return wrap(
    `<AssumedRoleUser><AssumedRoleId>AROADOUBLE:windlass</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser>` +
      `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${toIsoTime(expiresAt)}</Expiration></Credentials>`,
  )
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
