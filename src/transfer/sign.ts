import { createHash, createHmac } from 'node:crypto'

/** Keys as the credential chain gives them. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface RequestToSign {
  readonly method: string
  readonly host: string
  /** Escaped, beginning with a slash. */
  readonly path: string
  /** Escaped `name=value` pairs, sorted by name. */
  readonly query: string
  /** Hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly bodyHash: string
  /** As in `20261231T235959Z`. */
  readonly time: string
  /** Headers that are signed too, beside those that always are; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** Signs requests to S3 in one region after AWS Signature Version 4. Keeps the key of the day: four of five hashes. */
export class Signer {
  readonly #region: string
  #day = ''
  #secret = ''
  #key: Buffer = Buffer.alloc(0)

  constructor(region: string) {
    this.#region = region
  }

  /** @returns all headers to send, the signed ones and `authorization`. */
  sign({ method, host, path, query, bodyHash, time, headers }: RequestToSign, credentials: Credentials): Record<string, string> {
    const signed: Record<string, string> = {
      ...headers,
      host,
      'x-amz-content-sha256': bodyHash,
      'x-amz-date': time,
      ...(credentials.sessionToken !== undefined && { 'x-amz-security-token': credentials.sessionToken }),
    }
    const names = Object.keys(signed).sort()
    const list = names.join(';')
    const canonical = [method, path, query, ...names.map((name) => `${name}:${signed[name]!.trim()}`), '', list, bodyHash].join('\n')
    const scope = `${time.slice(0, 8)}/${this.#region}/s3/aws4_request`
    const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
    const signature = createHmac('sha256', this.#keyOf(time.slice(0, 8), credentials.secretAccessKey)).update(text).digest('hex')
    signed.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${list}, Signature=${signature}`
    return signed
  }

  #keyOf(day: string, secret: string): Buffer {
    if (day !== this.#day || secret !== this.#secret) {
      this.#key = [day, this.#region, 's3', 'aws4_request'].reduce<Buffer>((key, part) => createHmac('sha256', key).update(part).digest(), Buffer.from(`AWS4${secret}`))
      this.#day = day
      this.#secret = secret
    }
    return this.#key
  }
}

/** Escapes all that RFC 3986 reserves; `keepSlash` for paths. */
export function escapeUri(text: string, keepSlash: boolean): string {
  const escaped = encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return keepSlash ? escaped.replaceAll('%2F', '/') : escaped
}
