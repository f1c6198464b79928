import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { Signer } from '../../src/transfer/sign.ts'

interface Root {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

/** Makes a user of MinIO that may do what `policy` says, or gives one another policy. */
export async function grantOnMinio(root: Root, user: { readonly accessKeyId: string; readonly secretAccessKey: string }, policy: object): Promise<void> {
  await call(root, `add-canned-policy?name=${user.accessKeyId}`, Buffer.from(JSON.stringify(policy)))
  await call(root, `add-user?accessKey=${user.accessKeyId}`, encrypt(root.secretAccessKey, Buffer.from(JSON.stringify({ secretKey: user.secretAccessKey, status: 'enabled' }))))
  await call(root, `set-user-or-group-policy?isGroup=false&policyName=${user.accessKeyId}&userOrGroup=${user.accessKeyId}`, Buffer.alloc(0))
}

async function call({ endpoint, accessKeyId, secretAccessKey, region }: Root, what: string, body: Buffer): Promise<void> {
  const url = new URL(`/minio/admin/v3/${what}`, endpoint)
  const headers = new Signer(region).sign(
    { method: 'PUT', host: url.host, path: url.pathname, query: url.search.slice(1), bodyHash: createHash('sha256').update(body).digest('hex'), time: new Date().toISOString().replace(/[-:]|\.\d+/g, ''), headers: {} },
    { accessKeyId, secretAccessKey },
  )
  const { host: _, ...sent } = headers
  const response = await fetch(url, { method: 'PUT', headers: sent, body: new Uint8Array(body) })
  if (!response.ok) throw new Error(`MinIO: ${what}: ${response.status} ${await response.text()}`)
}

/**
 * As MinIO wants secrets in requests of its administration (madmin-go, encrypt.go; the stream is that of github.com/secure-io/sio-go):
 * salt, which key derivation, nonce, and one sealed fragment.
 */
function encrypt(password: string, data: Buffer): Buffer {
  const [salt, nonce] = [randomBytes(32), randomBytes(8)]
  const key = pbkdf2Sync(password, salt, 8192, 32, 'sha256')
  const seal = (number: number, plain: Buffer, associated: Buffer) => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32LE(number)
    const cipher = createCipheriv('aes-256-gcm', key, Buffer.concat([nonce, counter]))
    cipher.setAAD(associated)
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }
  const last = Buffer.concat([Buffer.of(0x80), seal(0, Buffer.alloc(0), Buffer.alloc(0))])
  return Buffer.concat([salt, Buffer.of(0x02), nonce, seal(1, data, last)])
}
