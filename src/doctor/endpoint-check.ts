import { parseS3Url } from '../store/open-store.ts'
import { isS3, ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'

interface Provider {
  readonly name: string
  readonly host?: RegExp
  readonly server?: RegExp
  /** What is done for it, or to be known of it. */
  readonly remark: string
  readonly region?: 'auto'
}

const providers: readonly Provider[] = [
  { name: 'AWS S3', host: /(^|\.)amazonaws\.com(\.cn)?$/, server: /^AmazonS3$/, remark: 'nothing to be done' },
  { name: 'Tigris', host: /(^|\.)(tigris\.dev|t3\.storage\.dev)$/, server: /tigris/i, remark: 'requests carry X-Tigris-Consistent: true, since its buckets are global', region: 'auto' },
  { name: 'Cloudflare R2', host: /(^|\.)r2\.cloudflarestorage\.com$/, remark: 'signed for region auto, without the newer checksums, which it does not take', region: 'auto' },
  { name: 'Google Cloud Storage', host: /(^|\.)storage\.googleapis\.com$/, remark: 'conditional writes decide whether it can be used: see conditional-writes', region: 'auto' },
  { name: 'versitygw', server: /versity/i, remark: 'keys are paths of files: a part has 255 bytes at most, and no key is a folder of another; ours are so' },
  { name: 'MinIO', server: /^MinIO/i, remark: 'parts of keys have 255 bytes at most; ours have less' },
]

/** Which store it is, what is particular about it, and whether the endpoint is written as it must be. */
export const endpointCheck: Check = {
  name: 'endpoint',
  applies: isS3,
  async run(context) {
    const { configuration, probe } = context
    const endpoint = configuration.text('endpoint')
    const url = endpoint === undefined ? null : URL.canParse(endpoint) ? new URL(endpoint) : undefined
    if (url === undefined) return [problem(`${configuration.origin('endpoint')} is ${JSON.stringify(endpoint)}, which is no URL`, { mend: 'write https://host or http://host:port' })]
    const wrong = url ? misspellings(context, url) : []
    const { server, error } = await probe.contact()
    const provider = providers.find(({ host }) => url !== null && host?.test(url.hostname)) ?? providers.find((each) => server !== undefined && each.server?.test(server)) ?? (url ? null : providers[0]!)
    if (wrong.length > 0) return wrong
    if (!provider) return error ? [] : [ok(`${endpoint} is ${server ?? 'a store that does not say its name'}: nothing particular is known of it`)]
    const region = configuration.text('region')
    if (provider.region && region !== undefined && region !== provider.region && provider.name !== 'Google Cloud Storage') {
      return [warning(`${provider.name} is asked for region ${region} (${configuration.origin('region')})`, { why: 'it has one for all', mend: `${configuration.origin('region').split(' ')[0]}=auto` })]
    }
    return [ok(`${provider.name}${endpoint === undefined ? '' : ` at ${endpoint}`}: ${provider.remark}`)]
  },
}

function misspellings({ configuration, bucket }: DoctorContext, url: URL): Finding[] {
  const origin = configuration.origin('endpoint')
  const variable = origin.split(' ')[0]!
  const name = parseS3Url(bucket.url).bucket
  const findings: Finding[] = []
  if (url.hostname.startsWith(`${name}.`)) {
    const host = url.host.slice(name.length + 1)
    // A store may have the name of its bucket: minio.example.com with a bucket minio.
    findings.push(warning(`${origin} begins with the bucket's name: ${url.host}`, { why: 'if it is the address of the bucket, and not of the store, the bucket is asked for twice', mend: `${variable}=${url.protocol}//${host}   # if so` }))
  } else if (url.pathname !== '/') {
    findings.push(problem(`${origin} has a path in it: ${url.pathname}`, { why: 'bucket and prefix are named apart from the endpoint', mend: `${variable}=${url.origin}` }))
  }
  const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|.*\.(local|internal)|[^.]+)$/.test(url.hostname)
  if (url.protocol === 'http:' && !loopback) findings.push(warning(`${origin} is ${url.origin}: what is stored travels in the clear`, { mend: `${variable}=https://${url.host}` }))
  const [, region] = /^s3[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com/.exec(url.hostname) ?? []
  const set = configuration.text('region')
  if (region !== undefined && set !== undefined && set !== region) findings.push(problem(`${origin} is of region ${region}, and ${configuration.origin('region')} is ${set}`, { mend: `unset ${variable}   # AWS needs no endpoint; or ${configuration.origin('region').split(' ')[0]}=${region}` }))
  return findings
}
