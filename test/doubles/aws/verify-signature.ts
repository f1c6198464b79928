// AWS's Signature Version 4 as its documentation has it ("Create a signed AWS API request"), on the side of a service.
import { createHash, createHmac } from 'node:crypto'
import type { JsonServerRequest } from '../json-server.ts'

/** What an `Authorization` header says. */
export interface ParsedAuthorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

/** Null where it is of another form. */
export function parseAuthorization(header: string): ParsedAuthorization | null {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(header)
  if (!match) return null
  const [, accessKeyId, date, region, service, signed, signature] = match
  return { accessKeyId: accessKeyId!, date: date!, region: region!, service: service!, signedHeaders: signed!.split(';'), signature: signature! }
}

/** Whether a request was signed with `secretAccessKey`. */
export function verifySignature({ method, url, headers, text }: JsonServerRequest, { date, region, service, signedHeaders, signature }: ParsedAuthorization, secretAccessKey: string): boolean {
  const escape = (part: string) => encodeURIComponent(part).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
  const query = [...url.searchParams].map(([name, value]) => `${escape(name)}=${escape(value)}`).sort().join('&')
  const listed = signedHeaders.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}\n`).join('')
  // Every service but S3 has the path escaped once more.
  const path = url.pathname.split('/').map(escape).join('/')
  const canonical = [method, path, query, listed, signedHeaders.join(';'), hash(text)].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash(canonical)].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce<Buffer | string>((secret, part) => createHmac('sha256', secret).update(part).digest(), `AWS4${secretAccessKey}`)
  return createHmac('sha256', key).update(toSign).digest('hex') === signature
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
