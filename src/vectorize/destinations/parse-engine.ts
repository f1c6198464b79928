import { WindlassError } from '../../base/errors.ts'
import { destinationSchema, type DestinationDeclaration } from '../declaration/declaration.ts'
import type { Environment } from '../declaration/variables.ts'

const examples = 's3vectors:bucket/index, qdrant:http://127.0.0.1:6333/collection, opensearch:https://host/index or pgvector:VARIABLE/table'

/**
 * The destination that the one line of a setting names. Keys are those that the engines' own clients read: QDRANT_API_KEY,
 * OPENSEARCH_USER and OPENSEARCH_PASSWORD, AWS's.
 * @throws {WindlassError} `invalid` for a line of another form.
 */
export function parseEngine(line: string, environment: Environment): DestinationDeclaration {
  const match = /^([a-z0-9]+):(.+)\/([^/]+)$/i.exec(line)
  const [, type = '', where = '', name = ''] = match ?? []
  const parsed = destinationSchema.safeParse(declarationOf(type.toLowerCase(), where, name, environment))
  if (match && parsed.success) return parsed.data
  const [issue] = parsed.error?.issues ?? []
  const reason = match && issue && issue.path[0] !== 'type' ? `: ${issue.path.join('.')}: ${issue.message}` : ''
  // What is wrong with a line may be that a password is in it.
  throw new WindlassError('invalid', `engine is not of the form ${examples}${reason}`, { path: 'engine' })
}

function declarationOf(type: string, where: string, name: string, environment: Environment): unknown {
  switch (type) {
    case 's3vectors': {
      // An address in front of the two names: a server that speaks the API.
      const [, endpoint, bucket] = /^(?:(https?:\/\/.+)\/)?([^/]+)$/i.exec(where) ?? []
      return { type, bucket, index: name, ...(endpoint !== undefined && { endpoint, region: environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1' }), ...awsVariables(environment) }
    }
    case 'qdrant':
      return { type, url: where, collection: name, ...(environment.QDRANT_API_KEY && { apiKeyVariable: 'QDRANT_API_KEY' }) }
    case 'opensearch':
      return { type, url: where, index: name, auth: authOf(where, environment) }
    case 'pgvector':
      return { type, urlVariable: where, table: name }
    default:
      return { type }
  }
}

function awsVariables({ AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token }: Environment): Record<string, string> {
  return id && secret ? { accessKeyIdVariable: 'AWS_ACCESS_KEY_ID', secretAccessKeyVariable: 'AWS_SECRET_ACCESS_KEY', ...(token && { sessionTokenVariable: 'AWS_SESSION_TOKEN' }) } : {}
}

/** Hosts of AWS's are signed for; others get a name and a password where there is one. */
function authOf(url: string, environment: Environment): unknown {
  if (environment.OPENSEARCH_USER && environment.OPENSEARCH_PASSWORD) return { type: 'basic' }
  const [, service] = /\.(es|aoss)\.amazonaws\.com(?:\.cn)?(?::\d+)?$/i.exec(URL.canParse(url) ? new URL(url).host : '') ?? []
  return service === undefined ? { type: 'none' } : { type: 'aws', service: service.toLowerCase() }
}
