/** A variable that is no setting: something reads it by its name, where it is used. */
export interface OtherVariable {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly description: string
  /** Read of the process alone, as AWS's SDK does: a line of `.env` is not enough. */
  readonly isOfProcess?: true
}

/** All of them. A test looks through the source for others. */
export const otherVariables: readonly OtherVariable[] = [
  { name: 'AWS_PROFILE', description: 'Profile of ~/.aws that keys are taken from, where none are set', isOfProcess: true },
  { name: 'AWS_ENDPOINT_URL_S3VECTORS', description: 'S3 Vectors endpoint instead of AWS, for copying, for the engine and for a client beside us', isOfProcess: true },
  { name: 'AWS_ENDPOINT_URL_SQS', description: 'SQS endpoint instead of AWS, for queues of events' },
  { name: 'AWS_ENDPOINT_URL_STS', description: 'STS endpoint instead of AWS, for roles' },
  { name: 'AWS_ASSUME_ROLE_EXTERNAL_ID', description: 'External id for roles of sources that declare none' },
  { name: 'AWS_MAX_ATTEMPTS', description: 'How often a request of windlass copy is tried', isOfProcess: true },
  { name: 'WINDLASS_POSTGRES_URL', aliases: ['PGAI_VECTORIZER_WORKER_DB_URL', 'DATABASE_URL'], description: 'postgresql://user:password@host/database of windlass postgres' },
  { name: 'QDRANT_API_KEY', description: 'Key of the engine qdrant' },
  { name: 'OPENSEARCH_USER', description: 'Name for the engine opensearch, where requests are not signed for AWS' },
  { name: 'OPENSEARCH_PASSWORD', description: 'Password to it' },
  { name: 'OLLAMA_HOST', description: 'Where vectorizers of pgai find Ollama' },
  { name: 'LITELLM_PROXY_API_BASE', description: 'Where vectorizers of pgai find a LiteLLM proxy' },
  { name: 'LITELLM_PROXY_API_KEY', description: 'Key of that proxy' },
  { name: 'FROM_AWS_ACCESS_KEY_ID', description: 'Of the bucket that windlass migrate reads, where it is not that of the settings; likewise the next four' },
  { name: 'FROM_AWS_SECRET_ACCESS_KEY', description: 'Secret to it' },
  { name: 'FROM_AWS_SESSION_TOKEN', description: 'Session token to it' },
  { name: 'FROM_AWS_REGION', description: 'Region of it' },
  { name: 'FROM_AWS_ENDPOINT_URL_S3', description: 'Endpoint of it' },
  { name: 'WINDLASS_CONFIG', description: 'Declaration of the Lambda function, where it is not windlass.yaml', isOfProcess: true },
  { name: 'WINDLASS_VECTORIZERS', description: 'Names of the vectorizers that the Lambda function serves, separated by commas; default: all', isOfProcess: true },
]
