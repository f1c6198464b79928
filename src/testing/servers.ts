import { Configuration } from '../config/configuration.ts'
import { serve } from '../server/serve.ts'

/** An S3 Vectors endpoint, and what a client needs to use it. */
export interface S3VectorsServer {
  readonly endpoint: string
  readonly region: string
  /** Any would do: the server answers this machine only, and asks nobody who they are. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  stop(): Promise<void>
}

/**
 * Starts an S3 Vectors server for a test suite, in memory unless `bucket` says otherwise, on a free port of this machine.
 * @throws {WindlassError} `invalid` for a bucket of no known kind.
 */
export async function startS3Vectors({ bucket = 'memory:', port = 0, region = 'us-east-1', accountId = '000000000000' }: { bucket?: string; port?: number; region?: string; accountId?: string } = {}): Promise<S3VectorsServer> {
  const commandLine = { bucket, port: String(port), region, 'account-id': accountId, host: '127.0.0.1', 'log-level': 'error' }
  const server = await serve(Configuration.read({ commandLine, environment: {} }), { version: 'test' })
  return { endpoint: server.url, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test-test-test-test' }, stop: () => server.stop() }
}
