import { WindlassError } from '../../base/errors.ts'
import { inputShapes } from '../../api/s3vectors/model.ts'
import { configure } from '../run.ts'

const operations = Object.keys(inputShapes).map((name) => name.replace(/(?!^)([A-Z])/g, '-$1').toLowerCase())

/** As guides for the preview of S3 Vectors wrote them, before the names were settled. */
const placeholders: Readonly<Record<string, string>> = {
  'create-bucket': 'create-vector-bucket',
  'get-bucket': 'get-vector-bucket',
  'delete-bucket': 'delete-vector-bucket',
  'list-buckets': 'list-vector-buckets',
}
const placeholderOptions: Readonly<Record<string, string>> = { '--bucket-name': '--vector-bucket-name', '--bucket': '--vector-bucket-name' }

/** What people type here that belongs to the AWS CLI. */
export const awsSpellings: readonly string[] = [...operations, ...Object.keys(placeholders)]

const defaultDimension = 384

/**
 * The command of the AWS CLI that was meant: names and options as they are now, what is required and missing filled in, our endpoint.
 * @param words The operation and its options, as typed.
 */
export function awsCommandFor(words: readonly string[], { endpoint, dimension = defaultDimension }: { endpoint: string; dimension?: number | undefined }): string {
  const [typed = '', ...given] = words
  const operation = placeholders[typed] ?? typed
  const options = given.flatMap((word) => {
    const [name, ...value] = word.split('=')
    const option = placeholderOptions[name!]
    return option === undefined ? [word] : value.length > 0 ? [option, value.join('=')] : [option]
  })
  const required = operation === 'create-index' ? { '--data-type': 'float32', '--dimension': String(dimension), '--distance-metric': 'cosine' } : {}
  const missing = { ...required, '--endpoint-url': endpoint }
  for (const [option, value] of Object.entries(missing)) if (!options.some((word) => word === option || word.startsWith(`${option}=`))) options.push(option, value)
  return ['aws', 's3vectors', operation, ...options].map(quoted).join(' ')
}

/** Answers a command of the AWS CLI with how it is spelled. @throws {WindlassError} `invalid`, always: nothing was done. */
export function tellAwsCommand(words: readonly string[]): Promise<never> {
  const configuration = configure({})
  const endpoint = process.env.AWS_ENDPOINT_URL_S3VECTORS ?? `http://127.0.0.1:${configuration.text('port')}`
  const typed = words[0] ?? ''
  if (!awsSpellings.includes(typed)) throw new WindlassError('invalid', `aws s3vectors has no ${JSON.stringify(typed)}: it has ${operations.join(', ')}`, { path: 'command' })
  throw new WindlassError('invalid', `${typed} is a command of the AWS CLI, which works on this server once windlass serve runs:\n  ${awsCommandFor(words, { endpoint, dimension: configuration.number('dimension') })}`, { path: 'command' })
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
