import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import { SignatureV4 } from '@smithy/signature-v4'
import { messageOf, WindlassError } from '../../../base/errors.ts'
import type { Environment } from '../../declaration/variables.ts'
import type { OutgoingRequest } from '../http-json.ts'

/** Which service of AWS's is asked: OpenSearch Service, or Serverless. */
export type SigningService = 'es' | 'aoss'

type HashedData = string | ArrayBuffer | ArrayBufferView

/** SHA-256 in the form that the signer asks for. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: HashedData) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', toBytes(secret))
  }

  update(data: HashedData): void {
    this.#hash.update(toBytes(data))
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }

  reset(): void {
    throw new WindlassError('unsupported', 'a hash is used once')
  }
}

/**
 * Headers that sign requests with AWS's Signature Version 4. Credentials are those of `environment` where it has a key, else of the
 * AWS default chain, which refreshes them before they expire.
 * @throws {WindlassError} `unauthenticated` from a request, where there are no credentials.
 */
export function createSigner({ service, region, environment }: { service: SigningService; region: string; environment: Environment }): (request: OutgoingRequest) => Promise<Record<string, string>> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = environment
  const credentials = accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } : defaultProvider()
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 })
  return async ({ method, url, headers, body }) => {
    try {
      const signed = await signer.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port !== '' && { port: Number(url.port) }),
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...headers, host: url.host },
        ...(body !== '' && { body }),
      })
      return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => name !== 'host'))
    } catch (error) {
      throw new WindlassError('unauthenticated', `opensearch: the request cannot be signed: ${messageOf(error)}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile`, { cause: error })
    }
  }
}

/** The region in the name of a host of AWS's: `abc.eu-west-1.aoss.amazonaws.com`. */
export function regionOfHost(host: string): string | undefined {
  return /\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:es|aoss)\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1]
}

function toBytes(data: HashedData): Uint8Array | string {
  if (typeof data === 'string') return data
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}
