import { z } from 'zod'

// One schema is the validation, the TypeScript types and the published JSON Schema. Messages say what was expected; what was found is
// added by problems.ts. What no schema can say (names twice, an overlap longer than a chunk) is in contradictions.ts.

const environmentVariable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
const patterns = z.array(z.string().min(1)).describe('Glob patterns on paths: `**/*.md`, `drafts/**`; without a slash, names in any folder')
const which = { include: patterns.optional(), exclude: patterns.optional() }
// `$NAME` and `${NAME}` are replaced when the vectorizer is opened (variables.ts), so an address may begin with one.
const webAddress = z.string().regex(/^(https?:\/\/|\$)/i, 'an http:// or https:// URL')

const roleArn = z.string().regex(/^(arn:aws[a-z-]*:iam::\d{12}:role\/.+|\$.*)$/, 'arn:aws:iam::<12 digits>:role/<name>')

const s3Events = z.strictObject({
  queueUrl: webAddress.describe("Of the SQS queue that the bucket's notifications come to, by themselves, through SNS or through EventBridge"),
  region: z.string().min(1).optional().describe("Of the queue; default: the one in its URL, then AWS_REGION"),
  endpoint: webAddress.optional(),
  poll: z.string().regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, 'a time such as 5m, 1h').default('1h').describe('How often `--events` lists the bucket all the same, for what no event told'),
})

const s3Source = z.strictObject({
  type: z.literal('s3'),
  url: z.string().regex(/^(s3:\/\/|\$)/i, 's3://bucket/prefix'),
  endpoint: webAddress.optional(),
  region: z.string().min(1).optional(),
  accessKeyIdVariable: environmentVariable.optional(),
  secretAccessKeyVariable: environmentVariable.optional(),
  sessionTokenVariable: environmentVariable.optional(),
  role: roleArn.optional().describe('Taken before the bucket is read'),
  via: z.array(roleArn).min(1).max(4).optional().describe('Roles to take before `role`, each with the keys of the one before'),
  externalId: z.string().min(2).max(1224).optional().describe("What the role's trust policy asks for; default: AWS_ASSUME_ROLE_EXTERNAL_ID"),
  externalIdVariable: environmentVariable.optional(),
  aws_role_arn: roleArn.optional().describe('`role`, as pgai calls it'),
  assume_role_arn: roleArn.optional().describe('`role`, as the documentation of pgai calls it too'),
  events: s3Events.optional(),
  ...which,
})
const folderSource = z.strictObject({ type: z.literal('folder'), path: z.string().min(1), hidden: z.boolean().optional().describe('Files and folders whose names start with a dot too'), ...which })
const gitSource = z.strictObject({ type: z.literal('git'), path: z.string().min(1).default('.').describe('The checkout, or a folder in it'), ref: z.string().min(1).default('HEAD'), ...which })
const urlSource = z.strictObject({
  type: z.literal('urls'),
  urls: z.array(webAddress).min(1).optional(),
  sitemap: z.string().min(1).optional().describe('URL or path of a sitemap.xml, or of an index of sitemaps'),
  maxBytes: z.number().int().positive().optional().describe('Larger documents are an error; default 100 MiB'),
  ...which,
})

const postgresSource = z.strictObject({
  type: z.literal('postgres'),
  urlVariable: environmentVariable.describe('Variable with postgresql://user:password@host:5432/database'),
  table: z.string().min(1).describe('schema.table; its primary key names the documents'),
  loading: z
    .strictObject({
      column: z.string().min(1).optional().describe('Text or bytea: the document itself'),
      uri: z.string().min(1).optional().describe('Column of URIs: s3://, https://, file:'),
      allowHosts: z.array(z.string().min(1)).optional().describe('Hosts that http(s) URIs may name'),
      roots: z.array(z.string().min(1)).optional().describe('Folders below which file URIs may lead'),
      role: roleArn.optional().describe('Taken before s3:// URIs are read'),
      aws_role_arn: roleArn.optional().describe('`role`, as pgai calls it'),
      assume_role_arn: roleArn.optional().describe('`role`, as the documentation of pgai calls it too'),
      maxBytes: z.number().int().positive().optional().describe('Larger documents are an error; default 100 MiB'),
    })
    .refine(({ column, uri }) => (column === undefined) !== (uri === undefined), 'column or uri, one of the two'),
  metadata: z.array(z.string().min(1)).optional().describe('Columns that become metadata of every chunk'),
  contentType: z.string().min(1).optional().describe('Of texts and URIs that do not tell it: text/markdown'),
})

export const sourceSchema = z.discriminatedUnion('type', [s3Source, folderSource, gitSource, urlSource, postgresSource])

const embeddingSchema = z.discriminatedUnion('provider', [
  z.strictObject({ provider: z.literal('static') }),
  z.strictObject({
    provider: z.literal('openai').describe('OpenAI, and everything that speaks its API: Ollama, vLLM, LM Studio …'),
    model: z.string().min(1),
    dimension: z.number().int().min(1).max(4096).optional(),
    baseUrl: webAddress.optional(),
    apiKeyVariable: environmentVariable.default('OPENAI_API_KEY'),
    batchTexts: z.number().int().min(1).max(2048).optional(),
    batchTokens: z.number().int().min(1).optional(),
    requestsAtOnce: z.number().int().min(1).max(64).optional(),
    pricePerMillionTokens: z.number().min(0).optional(),
  }),
])

const collectionDestination = z.strictObject({ type: z.literal('collection'), name: z.string().min(1) })
const openaiDestination = z.strictObject({
  type: z.literal('openai'),
  vectorStore: z.string().min(1).describe('Id (vs_…) of a vector store, or a name: made where there is none of it'),
  baseUrl: webAddress.optional(),
  apiKeyVariable: environmentVariable.default('OPENAI_API_KEY'),
  chunking: z.strictObject({ maxTokens: z.number().int().min(100).max(4096), overlapTokens: z.number().int().min(0) }).optional(),
  metadataFile: z.string().optional().describe('Kept in step in the form of `.deepgram/vectorstore_metadata.json`'),
})

const s3vectorsDestination = z.strictObject({
  type: z.literal('s3vectors').describe('AWS S3 Vectors, or a server that speaks its API'),
  bucket: z.string().min(3).max(63).describe('Vector bucket; made where there is none of it'),
  index: z.string().min(3).max(63).describe('Vector index; made where there is none of it'),
  endpoint: webAddress.optional(),
  region: z.string().min(1).optional(),
  accessKeyIdVariable: environmentVariable.optional(),
  secretAccessKeyVariable: environmentVariable.optional(),
  sessionTokenVariable: environmentVariable.optional(),
})
const qdrantDestination = z.strictObject({
  type: z.literal('qdrant'),
  url: webAddress.describe('Of the REST API: http://127.0.0.1:6333'),
  collection: z.string().min(1).max(255).describe('Made where there is none of it'),
  apiKeyVariable: environmentVariable.optional(),
})
const opensearchDestination = z.strictObject({
  type: z.literal('opensearch'),
  url: webAddress,
  index: z.string().regex(/^[^A-Z\\/*?"<>| ,#:_+-][^A-Z\\/*?"<>| ,#:]{0,254}$/, 'lower-case, without \\ / * ? " < > | , # : and spaces, not starting with - _ +').describe('Made where there is none of it'),
  auth: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('none') }),
      z.strictObject({ type: z.literal('basic'), userVariable: environmentVariable.default('OPENSEARCH_USER'), passwordVariable: environmentVariable.default('OPENSEARCH_PASSWORD') }),
      z.strictObject({ type: z.literal('aws').describe('SigV4 with the AWS default credentials'), service: z.enum(['es', 'aoss']).default('es').describe('aoss: OpenSearch Serverless'), region: z.string().min(1).optional() }),
    ])
    .default({ type: 'none' }),
})

const pgvectorDestination = z.strictObject({
  type: z.literal('pgvector'),
  urlVariable: environmentVariable.describe('Variable with postgresql://user:password@host:5432/database'),
  table: z.string().min(1).describe('schema.name of the view; chunks are in name_store, documents in name_documents'),
  index: z.enum(['none', 'hnsw']).default('none').describe('hnsw: approximate search, for more than some 50,000 chunks'),
  documents: z
    .strictObject({
      table: z.string().min(1).describe('A table of yours, with a row for each document'),
      uri: z.string().min(1).default('uri').describe('Column, unique: what was read'),
      title: z.string().min(1).default('title').describe('Column: the last part of the path, or the title of the document'),
      updatedAt: z.string().min(1).default('updated_at').describe('Column: when the document was stored'),
      prefix: z.string().optional().describe('Written before the path: s3://bucket/prefix/'),
    })
    .optional(),
})

export const destinationSchema = z.discriminatedUnion('type', [collectionDestination, openaiDestination, s3vectorsDestination, qdrantDestination, opensearchDestination, pgvectorDestination])

const duration = z.string().regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, 'a time such as 30s, 5m, 1h')

export const vectorizerSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'up to 63 lower-case letters, digits, `-`, `_`, `.`, starting with a letter or digit'),
  source: sourceSchema,
  parsing: z.strictObject({ format: z.string().optional(), encoding: z.string().optional(), maxBytes: z.number().int().positive().optional() }).prefault({}),
  chunking: z.strictObject({ method: z.enum(['structure', 'none']).default('structure'), tokens: z.number().int().min(16).max(8192).default(256), overlap: z.number().int().min(0).default(32) }).prefault({}),
  formatting: z.strictObject({ template: z.string().includes('$chunk', 'a text with $chunk in it').describe('What is embedded: `$chunk`, `$title`, `$heading`, `$path`, and metadata keys') }).optional(),
  embedding: embeddingSchema.default({ provider: 'static' }),
  destinations: z.array(destinationSchema).min(1),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional().describe('Goes with every chunk'),
  schedule: z.strictObject({ every: duration.default('5m') }).prefault({}).describe('For --watch'),
  processing: z
    .strictObject({
      filesAtOnce: z.number().int().min(1).max(256).optional().describe('Default: 8, and 32 where texts are embedded over HTTP'),
      claimFiles: z.number().int().min(1).max(1000).default(32).describe('Files that a worker takes at once'),
      attempts: z.number().int().min(1).max(100).default(6),
      retryAfter: duration.default('1m').describe('Doubled with every attempt'),
      workerTimeout: duration.default('30s').describe('A worker that gives no sign for so long has died'),
      deleteMissing: z.boolean().default(true),
    })
    .prefault({}),
})

export const declarationSchema = z.strictObject({
  $schema: z.string().optional().describe('For editors: the path of windlass.schema.json'),
  version: z.literal(1),
  bucket: z.string().min(1).optional(),
  vectorizers: z.array(vectorizerSchema).min(1),
})

/** What is kept in step with what, and how. Everything but name, source and destinations has a default. */
export type VectorizerDeclaration = z.output<typeof vectorizerSchema>
/** As written: defaults may be left out. */
export type VectorizerInput = z.input<typeof vectorizerSchema>
export type SourceDeclaration = z.output<typeof sourceSchema>
export type DestinationDeclaration = z.output<typeof destinationSchema>
/** A destination as written: defaults may be left out. */
export type DestinationInput = z.input<typeof destinationSchema>
/** A `windlass.yaml`. */
export type Declaration = z.output<typeof declarationSchema>
/** A `windlass.yaml` as written: defaults may be left out. */
export type DeclarationInput = z.input<typeof declarationSchema>

/** For `windlass.config.ts`: checks the types and changes nothing. */
export function defineVectorizer(vectorizer: VectorizerInput): VectorizerInput {
  return vectorizer
}
