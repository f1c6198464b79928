import type { WindlassError } from '../base/errors.ts'
import { parseS3Url } from '../store/open-store.ts'
import { isS3, ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'

/** Whether the bucket answers: its name, its region, its endpoint. */
export const bucketCheck: Check = {
  name: 'bucket',
  needs: ['credentials'],
  applies: () => true,
  async run(context) {
    const { bucket, probe } = context
    const named = `${bucket.url} (${bucket.origin})`
    if (bucket.url === 'memory:' || bucket.url.startsWith('memory:')) return [warning(`${named} is gone when the process ends`, { mend: 'WINDLASS_BUCKET=file:./.windlass   # or s3://bucket/prefix' })]
    const { error, server } = await probe.contact()
    if (!error) return [ok(`${named} answers${server === undefined ? '' : `: ${server}`}${bucket.origin === 'default' ? '; nothing names a bucket, so it is a folder here' : ''}`)]
    // What may be done in it is another check's finding, and so is the clock.
    if (error.kind === 'denied') return [ok(`${named} answers, and refuses: see permissions`)]
    if (error.kind === 'unauthenticated') return [problem(`${named}: ${error.message}`)]
    return [isS3(context) ? ofS3(context, error) : problem(`${named}: ${error.message}`)]
  },
}

function ofS3({ bucket, configuration }: DoctorContext, error: WindlassError): Finding {
  const name = parseS3Url(bucket.url).bucket
  const [endpoint, region] = [configuration.text('endpoint'), configuration.text('region')]
  const atEndpoint = endpoint === undefined ? '' : ` --endpoint-url ${endpoint}`
  if (error.kind === 'not-found') {
    return problem(`there is no bucket ${name} ${endpoint === undefined ? 'in AWS' : `at ${endpoint}`}`, {
      why: `its name comes from ${bucket.origin}: a slip, or the bucket was never made`,
      mend: `aws s3 mb s3://${name}${region === undefined || region === 'auto' ? '' : ` --region ${region}`}${atEndpoint}\nwindlass init models ${name} ${region ?? 'us-east-1'}   # does the same, and prints the policy`,
    })
  }
  const right = /lies in region (\S+?):/.exec(error.message)?.[1]
  if (right !== undefined) {
    const variable = configuration.origin('region') === 'default' ? 'AWS_REGION' : configuration.origin('region').split(' ')[0]!.replace(/^--region$/, 'AWS_REGION')
    return problem(`bucket ${name} lies in region ${right}, and ${region === undefined ? 'no region is set' : `${configuration.origin('region')} is ${region}`}`, { why: 'a request is signed for one region', mend: `${variable}=${right}` })
  }
  if (error.kind === 'invalid') return problem(error.message)
  return problem(`no answer from ${endpoint ?? `AWS (region ${region ?? 'us-east-1'})`}: ${error.message}`, {
    why: endpoint === undefined ? 'the network of this machine, or a region that does not exist' : `the endpoint comes from ${configuration.origin('endpoint')}`,
    mend: `curl -sS -o /dev/null -w '%{http_code}\\n' ${endpoint ?? `https://s3.${region ?? 'us-east-1'}.amazonaws.com`}   # any number is an answer`,
  })
}
