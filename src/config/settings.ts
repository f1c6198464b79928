/** One setting: everything that is known of it, in one row. */
export interface SettingSpec {
  /** As the command line and `windlass config` call it. */
  readonly name: string
  /** Environment variables, the first one set wins. */
  readonly variables: readonly string[]
  readonly type: 'text' | 'url' | 'boolean' | 'integer' | 'bytes' | 'list' | 'choice'
  readonly unit?: string
  readonly choices?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: string
  /** Never printed. */
  readonly secret?: boolean
  readonly description: string
  readonly section: 'bucket' | 'server' | 'search' | 'models' | 'audio' | 'process' | 'vectors'
}

/** Every setting of Windlass. `env.example`, `docs/configuration.md` and `windlass config` are made from this table. */
export const settingSpecs = [
  { name: 'bucket', variables: ['WINDLASS_BUCKET'], type: 'url', section: 'bucket', description: 'Where everything is kept: s3://bucket/prefix, file:./folder, memory:. Default: s3://<s3-bucket>/<s3-prefix> if a bucket name is set, else file:./.windlass' },
  { name: 's3-enabled', variables: ['S3_ENABLED'], type: 'boolean', default: 'true', section: 'bucket', description: 'False: the S3 bucket name is passed over and a directory is used' },
  { name: 's3-bucket', variables: ['S3_BUCKET_NAME', 'S3_BUCKET', 'TIGRIS_BUCKET_NAME'], type: 'text', section: 'bucket', description: 'Name of the S3 bucket' },
  { name: 's3-prefix', variables: ['S3_PREFIX'], type: 'text', section: 'bucket', description: 'Prefix within the bucket; with and without trailing slash are the same' },
  { name: 'endpoint', variables: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL', 'TIGRIS_ENDPOINT_URL'], type: 'url', section: 'bucket', description: 'S3-compatible endpoint; absent: AWS' },
  { name: 'region', variables: ['AWS_REGION', 'AWS_DEFAULT_REGION', 'S3_REGION', 'TIGRIS_REGION'], type: 'text', section: 'bucket', description: 'Region of the bucket; `auto` where the store says so' },
  { name: 'access-key-id', variables: ['AWS_ACCESS_KEY_ID', 'TIGRIS_ACCESS_KEY_ID'], type: 'text', section: 'bucket', description: 'Access key; absent: the AWS default credential chain' },
  { name: 'secret-access-key', variables: ['AWS_SECRET_ACCESS_KEY', 'TIGRIS_SECRET_ACCESS_KEY'], type: 'text', secret: true, section: 'bucket', description: 'Secret of the access key' },
  { name: 'session-token', variables: ['AWS_SESSION_TOKEN'], type: 'text', secret: true, section: 'bucket', description: 'Session token of temporary credentials' },
  { name: 'static-keys', variables: ['WINDLASS_STATIC_KEYS'], type: 'choice', choices: ['allow', 'forbid'], default: 'allow', section: 'bucket', description: 'forbid: only keys that expire are used, for the bucket and for sources: roles, SSO, or keys with a session token' },
  { name: 'tenants', variables: ['WINDLASS_TENANTS'], type: 'choice', choices: ['one', 'many'], default: 'one', section: 'bucket', description: 'many: sources belong to several tenants, and no role is taken without an external id' },
  { name: 'path-style', variables: ['WINDLASS_S3_PATH_STYLE'], type: 'boolean', section: 'bucket', description: 'Bucket in the path instead of the host; default: whenever an endpoint is set' },
  { name: 'refresh-interval', variables: ['S3_SYNC_INTERVAL'], type: 'integer', unit: 'seconds', minimum: 0, maximum: 900, default: '60', section: 'search', description: 'How old an eventual read may be; at most 900. Writes are durable, and strong reads fresh, whatever it is' },
  { name: 'consistency', variables: ['WINDLASS_CONSISTENCY'], type: 'choice', choices: ['strong', 'eventual'], default: 'strong', section: 'search', description: 'How fresh the reads of Chroma\'s clients are, who cannot ask: eventual ones may be as old as the refresh interval, and cost no request to the bucket while they are younger' },
  { name: 'collection', variables: ['WINDLASS_COLLECTION'], type: 'text', default: 'docs', section: 'search', description: 'Collection that `index` and `search` use' },
  { name: 'engine', variables: ['WINDLASS_ENGINE'], type: 'text', section: 'search', description: 'Where files are kept and searched, if not in the bucket: s3vectors:bucket/index, qdrant:http://127.0.0.1:6333/collection, opensearch:https://host/index or pgvector:VARIABLE/table' },
  { name: 'embedding-model', variables: ['EMBEDDING_MODEL'], type: 'text', default: 'static-384', section: 'search', description: 'What embeds files and questions; `static-384` is built in, `openai:<model>` is asked over HTTP, `all-MiniLM-L6-v2` or another `owner/name[@revision]` runs here in ONNX' },
  { name: 'embedding-dtype', variables: ['EMBEDDING_DTYPE'], type: 'choice', choices: ['fp32', 'fp16', 'q8'], section: 'search', description: 'Weights of a model that runs here; default: the first of these that its repository has' },
  { name: 'openai-api-key', variables: ['OPENAI_API_KEY'], type: 'text', secret: true, section: 'search', description: 'Key of OpenAI, or of the server at `openai-base-url`' },
  { name: 'openai-base-url', variables: ['OPENAI_BASE_URL'], type: 'url', section: 'search', description: "A server that speaks OpenAI's API, up to `/v1`: Ollama, vLLM, LM Studio" },
  { name: 'dimension', variables: ['VECTOR_DIMENSION'], type: 'integer', minimum: 1, section: 'search', description: "Must equal the model's dimension, if set; some models of OpenAI can give fewer values" },
  { name: 'host', variables: ['WINDLASS_HOST'], type: 'text', default: '127.0.0.1', section: 'server', description: 'Address to listen on; any but loopback needs keys' },
  { name: 'port', variables: ['WINDLASS_PORT'], type: 'integer', minimum: 0, default: '8900', section: 'server', description: 'Port to listen on; 0 takes a free one' },
  { name: 'keys', variables: ['WINDLASS_KEYS'], type: 'text', secret: true, section: 'server', description: 'Who may do what: JSON list of {"id", "secret", "role": "read"|"write"|"admin", "collections": ["name", "prefix*"]}, or @file with it' },
  { name: 'allowed-hosts', variables: ['WINDLASS_ALLOWED_HOSTS'], type: 'list', section: 'server', description: 'Host names, besides loopback, under which the server may be called, separated by commas' },
  { name: 'cors-origins', variables: ['WINDLASS_CORS_ORIGINS'], type: 'list', section: 'server', description: 'Origins of web pages that may call the server, separated by commas; none by default' },
  { name: 'upload-limit', variables: ['WINDLASS_UPLOAD_LIMIT'], type: 'bytes', default: '1GiB', section: 'server', description: 'Largest file that can be uploaded' },
  { name: 'allow-reset', variables: ['ALLOW_RESET', 'WINDLASS_ALLOW_RESET'], type: 'boolean', default: 'false', section: 'server', description: 'Lets a client of Chroma with an admin key empty the bucket (`POST /api/v2/reset`)' },
  { name: 'preload', variables: ['WINDLASS_PRELOAD'], type: 'boolean', default: 'false', section: 'server', description: 'Reads every collection before the first request is taken; without it they are read when they are asked for' },
  { name: 'log-level', variables: ['WINDLASS_LOG_LEVEL'], type: 'choice', choices: ['debug', 'info', 'warn', 'error', 'silent'], default: 'info', section: 'process', description: 'What the server logs' },
  { name: 'log-format', variables: ['WINDLASS_LOG_FORMAT'], type: 'choice', choices: ['text', 'json'], default: 'text', section: 'process', description: 'Log lines for people or for programs' },
  { name: 'memory-budget', variables: ['WINDLASS_MEMORY_BUDGET'], type: 'bytes', default: '256MiB', section: 'process', description: 'Decoded parts of segments kept in memory' },
  { name: 'scratch', variables: ['WINDLASS_SCRATCH', 'TMPDIR'], type: 'text', section: 'process', description: "Folder for temporary files; default: the system's. Swept at start and on exit" },
  { name: 'scratch-budget', variables: ['WINDLASS_SCRATCH_BUDGET'], type: 'bytes', default: '2GiB', section: 'process', description: 'Uploads that are kept in temporary files may take this much in one process, and decoded sound as much again' },
  { name: 'disk-cache', variables: ['WINDLASS_DISK_CACHE'], type: 'bytes', default: '1GiB', section: 'process', description: 'What queries of a server read of an S3 bucket is kept in the scratch folder, up to this; 0: nothing. It has no name there, and is gone when the process is' },
  { name: 'recall-sample', variables: ['WINDLASS_RECALL_SAMPLE'], type: 'integer', minimum: 0, default: '0', section: 'search', description: 'Of so many vector queries one is run again in the background, exactly, and `/metrics` says what recall is; 0: none' },
  { name: 'account-id', variables: ['AWS_ACCOUNT_ID', 'WINDLASS_ACCOUNT_ID'], type: 'text', default: '000000000000', section: 'vectors', description: 'Account in the ARNs of the S3 Vectors door: 12 digits' },
  { name: 'model-cache', variables: ['WINDLASS_MODEL_CACHE'], type: 'text', section: 'models', description: 'Folder for models while they are used; default: `windlass-models-<user id>` among temporary files' },
  { name: 'model-cache-budget', variables: ['WINDLASS_MODEL_CACHE_BUDGET'], type: 'bytes', default: '10GiB', section: 'models', description: 'Model files may take this much of the local disk, all processes together; the least recently used go first' },
  { name: 'model-keep', variables: ['WINDLASS_MODEL_KEEP'], type: 'boolean', default: 'true', section: 'models', description: 'False: model files leave the local disk as soon as nobody uses them' },
  { name: 'hf-endpoint', variables: ['WINDLASS_HF_ENDPOINT', 'HF_ENDPOINT'], type: 'url', default: 'https://huggingface.co', section: 'models', description: "Hugging Face's hub, or a mirror of it: where models come from that the bucket does not have" },
  { name: 'hf-token', variables: ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'], type: 'text', secret: true, section: 'models', description: 'Token for gated and private models; sent to the hub alone, and needed only until the bucket has the model' },
  { name: 'hf-offline', variables: ['HF_HUB_OFFLINE'], type: 'boolean', default: 'false', section: 'models', description: 'True: the hub is never asked' },
  { name: 'audio-collection', variables: ['WINDLASS_AUDIO_COLLECTION'], type: 'text', default: 'audio', section: 'audio', description: 'Collection that transcripts of recordings are searched in' },
  { name: 'audio-snippet', variables: ['WINDLASS_AUDIO_SNIPPET'], type: 'integer', unit: 'seconds', minimum: 1, maximum: 600, default: '15', section: 'audio', description: "Length of each speaker's snippet, where they speak as long" },
  { name: 'audio-transcriber', variables: ['WINDLASS_AUDIO_TRANSCRIBER'], type: 'text', default: 'none', section: 'audio', description: 'What turns speech into text: `none`, `openai:<model>` (asked over HTTP), or `whisper:owner/name` (run here by sherpa-onnx, from the model store)' },
  { name: 'transcription-url', variables: ['WINDLASS_TRANSCRIPTION_URL'], type: 'url', section: 'audio', description: "A server that speaks OpenAI's `/audio/transcriptions`, up to `/v1`; default: `openai-base-url`, then OpenAI" },
  { name: 'transcription-key', variables: ['WINDLASS_TRANSCRIPTION_KEY'], type: 'text', secret: true, section: 'audio', description: 'Key of that server; default: `openai-api-key`, where `transcription-url` is not set' },
  { name: 'audio-voice-activity', variables: ['WINDLASS_AUDIO_VOICE_ACTIVITY'], type: 'text', default: 'energy', section: 'audio', description: 'What finds speech: `energy` (built in), or `silero:owner/name#file.onnx`' },
  { name: 'audio-segmentation', variables: ['WINDLASS_AUDIO_SEGMENTATION'], type: 'text', default: 'none', section: 'audio', description: 'What finds turns, and voices that overlap, in place of voice activity: `none`, or `pyannote:owner/name#file.onnx`; needs `audio-speaker-embedding`' },
  { name: 'audio-speaker-embedding', variables: ['WINDLASS_AUDIO_SPEAKER_EMBEDDING'], type: 'text', default: 'statistics', section: 'audio', description: 'What tells voices apart: `statistics` (built in), or `sherpa:owner/name#file.onnx`' },
  { name: 'ffmpeg', variables: ['WINDLASS_FFMPEG'], type: 'text', default: 'ffmpeg', section: 'audio', description: 'The program that decodes recordings; WAV files of 16 bits at 16 kHz need none' },
  { name: 's3-vector-bucket', variables: ['S3_VECTOR_BUCKET_NAME'], type: 'text', section: 'vectors', description: 'Vector bucket of an S3 Vectors application' },
  { name: 's3-vector-index', variables: ['S3_VECTOR_INDEX_NAME'], type: 'text', section: 'vectors', description: 'Vector index of an S3 Vectors application' },
] as const satisfies readonly SettingSpec[]

/** The name of a setting. */
export type SettingName = (typeof settingSpecs)[number]['name']

/** The row of a setting. */
export function specOf(name: SettingName): SettingSpec {
  return settingSpecs.find((spec) => spec.name === name)!
}
