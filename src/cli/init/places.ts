import { parseS3Url } from '../../store/open-store.ts'
import type { Configuration } from '../../config/configuration.ts'

/** Where everything is kept, for files and lines that are to be filled in by hand where nothing is known. */
export interface Place {
  readonly bucket: string
  readonly prefix: string
  readonly region: string
  /** Absent: AWS. */
  readonly endpoint?: string
}

/** The configured place, or one to be replaced. */
export function placeOf(configuration: Configuration): Place {
  const { url } = configuration.bucket()
  const { bucket, prefix } = /^s3:/i.test(url) ? parseS3Url(url) : { bucket: 'my-bucket', prefix: '' }
  const endpoint = configuration.text('endpoint')
  return { bucket, prefix, region: configuration.text('region') ?? 'us-east-1', ...(endpoint !== undefined && { endpoint }) }
}

/** Variables that are no secret. */
export function plainVariables({ bucket, prefix, region, endpoint }: Place): [name: string, value: string][] {
  return [['S3_BUCKET', bucket], ...(prefix === '' ? [] : [['S3_PREFIX', prefix] as [string, string]]), ['S3_REGION', region], ...(endpoint === undefined ? [] : [['AWS_ENDPOINT_URL', endpoint] as [string, string]])]
}

/** Variables that are set apart, as secrets. Without keys a server answers its own machine only. */
export const secretVariables = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'WINDLASS_KEYS'] as const

/** A value for WINDLASS_KEYS, made where the line is run. */
export const keysExample = `'[{"id": "main", "secret": "'$(openssl rand -hex 24)'", "role": "admin"}]'`
