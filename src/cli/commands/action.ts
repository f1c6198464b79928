import { appendFileSync } from 'node:fs'
import { toIsoTime } from '../../base/clock.ts'
import { messageOf, WindlassError } from '../../base/errors.ts'
import type { Configuration } from '../../config/configuration.ts'
import { failureText, type TransferReport } from '../../transfer/transfer.ts'
import { configure, reporting, type Flags } from '../run.ts'
import { countText, sizeText } from '../text.ts'
import { withVectorizers, type VectorizerSession } from '../vectorizers.ts'
import { examineBucket } from './doctor.ts'
import { parseCount, tellTransfer, transferFiles } from './transfer-files.ts'
import { vectorize, type VectorizeResult } from './vectorize.ts'
import { showStatus } from './vectorizer-state.ts'

type Environment = Readonly<Record<string, string | undefined>>

const modes = ['upload', 'download', 'vectorize', 'status', 'doctor'] as const
// Each says by itself that keys come from elsewhere: OpenID Connect, a profile, the role of a runner of one's own.
const otherCredentials = ['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN', 'AWS_PROFILE', 'AWS_CONTAINER_CREDENTIALS_FULL_URI', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
const secretVariables = ['TIGRIS_ACCESS_KEY_ID', 'TIGRIS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'OPENAI_API_KEY']

/** A table of the job's summary, and what the step gives to the steps after it. */
interface Told {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  readonly details?: readonly string[]
  readonly outputs: Readonly<Record<string, string | number>>
}

/**
 * `windlass action`: what action/action.yml runs. Its inputs are variables `INPUT_…`, as a runner makes them of the inputs of an action;
 * an empty one is as one not given, which is how GitHub passes a secret that does not exist.
 */
export async function runAction(environment: Environment): Promise<void> {
  await reporting({}, async () => {
    maskSecrets(environment)
    try {
      await runMode(environment)
    } catch (error) {
      tellFailure(environment, messageOf(error))
      throw error
    }
  })
}

async function runMode(environment: Environment): Promise<void> {
  const input = (name: string) => inputOf(environment, name)
  const mode = modes.find((each) => each === input('mode').toLowerCase())
  if (!mode) throw new WindlassError('invalid', `input mode is ${JSON.stringify(input('mode'))}, expected one of ${modes.join(', ')}`, { path: 'mode' })
  const places = Object.fromEntries((['endpoint', 'region'] as const).flatMap((name) => (input(name) === '' ? [] : [[name, input(name)]])))
  if (mode === 'upload' || mode === 'download') return transfer(mode, environment, configure(places))
  const config = input('config')
  const hasBucket = input('bucket') !== '' || input('prefix') !== ''
  const bucket = hasBucket || mode === 'doctor' ? bucketUrl(environment, configure(places)) : undefined
  // A declaration may name a directory; without it, the bucket is the one of the secrets.
  if (bucket === undefined ? isSet(environment, 'TIGRIS_BUCKET_NAME') : bucket.startsWith('s3:')) checkSecrets(environment, configure(places))
  if (mode === 'doctor') return examined(environment, await examineBucket(configure(places), bucket))
  const flags: Flags = { ...places, ...(bucket !== undefined && { bucket }), ...(config !== '' && { config }) }
  const names = input('name').split(/[\s,]+/).filter((name) => name !== '')
  const task = mode === 'status' ? statusOf : async (session: VectorizerSession) => vectorizeTable(await vectorize(session, flags))
  let outcome: Told | { readonly error: unknown } | null = null
  await withVectorizers(names, flags, async (session) => {
    try {
      tellSummary(environment, (outcome = await task(session)))
    } catch (error) {
      outcome = { error }
      throw error
    }
  })
  // What failed has been printed, and has set the exit status.
  if (outcome === null) tellFailure(environment, 'it could not begin: see the log')
  else if ('error' in (outcome as Told | { error: unknown })) tellFailure(environment, messageOf((outcome as unknown as { error: unknown }).error))
}

/** As the command ends: with status 1 where there is a problem. */
function examined(environment: Environment, problems: readonly string[]): void {
  if (problems.length === 0) return
  process.exitCode = 1
  tellFailure(environment, `doctor found ${countText(problems.length, 'problem')}: ${problems.join('; ')}`)
}

async function transfer(mode: 'upload' | 'download', environment: Environment, configuration: Configuration): Promise<void> {
  const input = (name: string) => inputOf(environment, name)
  const url = bucketUrl(environment, configuration)
  if (url.startsWith('s3:')) checkSecrets(environment, configuration)
  const folder = input('localPath')
  if (folder === '') throw new WindlassError('invalid', `input localPath is empty: name the folder to ${mode === 'upload' ? 'send' : 'fill'}`, { path: 'localPath' })
  const direction = mode === 'upload' ? 'push' : 'pull'
  const request = {
    direction,
    folder,
    url,
    exclude: [input('exclude')],
    concurrency: parseCount('input concurrency', input('concurrency'), { minimum: 1, maximum: 512, absent: 40 }),
    queueSize: parseCount('input queueSize', input('queueSize'), { minimum: 1, maximum: 1_000_000, absent: 1000 }),
    all: isTrue(input('all')),
    deleteMissing: isTrue(input('delete')),
  } as const
  const report = await transferFiles(request, configuration)
  tellSummary(environment, transferTable(mode, url, report))
  tellTransfer(report, { direction, asJson: false })
  const failure = failureText(report)
  if (failure !== null) tellError(environment, failure)
}

/** GitHub makes INPUT_ and the name in capitals of an input; an action of steps has to hand them on by itself. */
function inputOf(environment: Environment, name: string): string {
  return (environment[`INPUT_${name.toUpperCase()}`] ?? '').trim()
}

const isSet = (environment: Environment, name: string) => (environment[name] ?? '') !== ''
const isTrue = (text: string) => /^(true|1|yes|on)$/i.test(text)

/** `bucket` may be a name or a URL; the prefix is added to either. */
function bucketUrl(environment: Environment, configuration: Configuration): string {
  const bucket = inputOf(environment, 'bucket') || configuration.text('s3-bucket') || configuration.text('bucket')
  if (!bucket) throw missing('TIGRIS_BUCKET_NAME', 'the name of the bucket', 'or give it as the input bucket')
  const prefix = inputOf(environment, 'prefix').replace(/^\/+|\/+$/g, '')
  const base = /^[a-z0-9]+:/i.test(bucket) ? bucket.replace(/\/+$/, '') : `s3://${bucket}`
  return prefix === '' ? base : `${base}/${prefix}`
}

/** @throws {WindlassError} `invalid`, naming the first that is missing and where to set it. */
function checkSecrets(environment: Environment, configuration: Configuration): void {
  const [hasId, hasSecret] = [configuration.text('access-key-id') !== undefined, configuration.text('secret-access-key') !== undefined]
  if (!hasId && (hasSecret || !otherCredentials.some((name) => isSet(environment, name)))) throw missing('TIGRIS_ACCESS_KEY_ID', 'the access key id', 'or as AWS_ACCESS_KEY_ID')
  if (!hasSecret && hasId) throw missing('TIGRIS_SECRET_ACCESS_KEY', 'the secret access key', 'or as AWS_SECRET_ACCESS_KEY')
  // Keys of Tigris at AWS's door would be told to be unknown, which helps nobody.
  if (configuration.origin('access-key-id').startsWith('TIGRIS_') && configuration.text('endpoint') === undefined) throw missing('TIGRIS_ENDPOINT_URL', 'the endpoint', 'or as AWS_ENDPOINT_URL, or as the input endpoint')
}

function missing(name: string, what: string, otherwise: string): WindlassError {
  return new WindlassError('invalid', `${name} is not set: ${what} is missing. Add it under Settings -> Secrets and variables -> Actions, or with "gh secret set ${name}", and hand it to the step: env: ${name}: \${{ secrets.${name} }}; ${otherwise}`, { path: name })
}

/** Tells the runner what never to print. Only a runner, which swallows these lines. */
function maskSecrets(environment: Environment): void {
  if (!environment.GITHUB_ACTIONS) return
  for (const name of secretVariables) {
    // A line for a mask: a secret of several is masked line by line.
    for (const line of (environment[name] ?? '').split('\n')) if (line.trim() !== '') process.stdout.write(`::add-mask::${escapeCommand(line.trim())}\n`)
  }
}

function transferTable(mode: 'upload' | 'download', url: string, report: TransferReport): Told {
  const { transferred, bytes, unchanged, deleted, skipped, failed, requests, seconds } = report
  return {
    title: `Windlass: ${mode === 'upload' ? 'uploaded to' : 'downloaded from'} ${url}`,
    head: ['transferred', 'size', 'unchanged', 'deleted', 'skipped', 'failed', 'requests', 'seconds'],
    rows: [[transferred, sizeText(bytes), unchanged, deleted, skipped, failed.length, requests, seconds.toFixed(1)]],
    details: failed.map(({ path, message }) => `${path}: ${message}`),
    outputs: { transferred, bytes, unchanged, deleted, failed: failed.length, requests, seconds: seconds.toFixed(3) },
  }
}

function vectorizeTable(results: readonly VectorizeResult[]): Told {
  const sum = (read: (result: VectorizeResult) => number) => results.reduce((total, result) => total + read(result), 0)
  const failures = results.flatMap(({ name, failures }) => failures.map(({ path, step, message }) => `${name}: ${path} (${step}): ${message}`))
  const cost = (value: number | undefined) => (value === undefined ? '' : value.toFixed(4))
  return {
    title: 'Windlass: vectorized',
    head: ['vectorizer', 'new', 'changed', 'renamed', 'unchanged', 'removed', 'failed', 'chunks embedded', 'chunks taken over', 'read', 'embedding requests', 'USD', 'seconds'],
    rows: results.map((each) => [each.name, each.new, each.changed, each.renamed, each.unchanged, each.removed, each.failed, each.chunksEmbedded, each.chunksReused, sizeText(each.bytesRead), each.embedding.requests, cost(each.embedding.cost), each.seconds.toFixed(1)]),
    details: failures,
    outputs: {
      new: sum((each) => each.new),
      changed: sum((each) => each.changed),
      renamed: sum((each) => each.renamed),
      unchanged: sum((each) => each.unchanged),
      removed: sum((each) => each.removed),
      failed: sum((each) => each.failed),
      'chunks-embedded': sum((each) => each.chunksEmbedded),
      cost: cost(sum((each) => each.embedding.cost ?? 0)),
      seconds: sum((each) => each.seconds).toFixed(3),
    },
  }
}

async function statusOf(session: VectorizerSession): Promise<Told> {
  await showStatus(session, {})
  const all = await Promise.all(session.vectorizers.map((each) => each.status()))
  return {
    title: 'Windlass: status',
    head: ['vectorizer', 'documents', 'failed', 'in progress', 'last run ended'],
    rows: all.map(({ name, documents, failed, inProgress, runs: [last] }) => [name, documents, failed, inProgress, last ? toIsoTime(last.endedAt) : 'never']),
    outputs: { documents: all.reduce((sum, each) => sum + each.documents, 0), failed: all.reduce((sum, each) => sum + each.failed, 0) },
  }
}

function tellFailure(environment: Environment, message: string): void {
  tellError(environment, message)
  tellSummary(environment, { title: 'Windlass failed', head: ['reason'], rows: [[message]], outputs: {} })
}

function tellError(environment: Environment, message: string): void {
  if (environment.GITHUB_ACTIONS) process.stdout.write(`::error title=Windlass::${escapeCommand(message)}\n`)
}

const detailsMax = 50

/** Into the files that a runner names; nowhere where there is none. */
function tellSummary(environment: Environment, told: Told): void {
  const { title, head, rows, details = [] } = told
  if (isSet(environment, 'GITHUB_STEP_SUMMARY')) {
    const line = (cells: readonly (string | number)[]) => `| ${cells.map(escapeCell).join(' | ')} |`
    const more = details.length > detailsMax ? [`- and ${countText(details.length - detailsMax, 'more failure')}`] : []
    const list = details.slice(0, detailsMax).map((detail) => `- ${escapeCell(detail)}`)
    const text = [`### ${escapeCell(title)}`, '', line(head), line(head.map(() => '---')), ...rows.map(line), ...(list.length > 0 ? ['', ...list, ...more] : []), '']
    appendFileSync(environment.GITHUB_STEP_SUMMARY!, `${text.join('\n')}\n`)
  }
  writeOutputs(environment, told.outputs)
}

function writeOutputs(environment: Environment, outputs: Told['outputs']): void {
  const lines = Object.entries(outputs).map(([name, value]) => `${name}=${value}\n`)
  if (isSet(environment, 'GITHUB_OUTPUT') && lines.length > 0) appendFileSync(environment.GITHUB_OUTPUT!, lines.join(''))
}

/** Names of files are anybody's: none of them may be Markdown or HTML. */
function escapeCell(value: string | number): string {
  return String(value).replace(/[\r\n]+/g, ' ').replace(/[\\|`*_[\]<>&]/g, (character) => (/[<>&]/.test(character) ? `&#${character.charCodeAt(0)};` : `\\${character}`))
}

/** As the runner's workflow commands want their values. */
function escapeCommand(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
