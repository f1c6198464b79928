// The other side of sentence-transformer-thread.ts: tokenizes and runs one model, batch by batch.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../base/errors.ts'
import { poolTokens } from './pool.ts'
import type { FromModelThread, ModelThreadData, ToModelThread } from './sentence-transformer-thread.ts'

/** What we use of transformers.js; it is an optional peer, so its own types may not be there. */
interface TransformersModule {
  readonly env: {
    allowLocalModels: boolean
    allowRemoteModels: boolean
    useFSCache: boolean
    useBrowserCache: boolean
    useCustomCache: boolean
    customCache: { match(key: string): Promise<Response | string | undefined>; put(): Promise<void> }
    remoteHost: string
    remotePathTemplate: string
    fetch: (url: unknown) => Promise<Response>
  }
  readonly AutoTokenizer: { from_pretrained(name: string): Promise<(texts: readonly string[], options: { padding: boolean; truncation: boolean; max_length: number }) => ModelInputs> }
  readonly AutoModel: { from_pretrained(name: string, options: { dtype: string; device: string }): Promise<(inputs: ModelInputs) => Promise<Record<string, TensorLike | undefined>>> }
}

interface TensorLike {
  readonly dims: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

interface ModelInputs {
  readonly attention_mask: TensorLike
}

const port = parentPort!
const { modulePath, folder, files, recipe, weights } = workerData as ModelThreadData
const model = 'windlass/model'
const place = '/resolve/main/'

async function load() {
  const module = (await import(pathToFileURL(modulePath).href)) as TransformersModule & { default?: TransformersModule }
  // What `require` resolves to is CommonJS, whose names an import may only find below `default`.
  const { env, AutoTokenizer, AutoModel } = module.default ?? module
  env.allowLocalModels = false
  env.useFSCache = false
  env.useBrowserCache = false
  // Nothing is asked of a network here: the model store brought what there is, and what it did not bring is not there.
  env.remoteHost = 'http://models.invalid/'
  env.remotePathTemplate = `{model}${place}`
  env.fetch = async () => new Response('', { status: 404 })
  env.useCustomCache = true
  env.customCache = { match: fileOf, put: async () => undefined }
  const tokenizer = await AutoTokenizer.from_pretrained(model)
  const run = await AutoModel.from_pretrained(model, { dtype: weights, device: 'cpu' })
  return { tokenizer, run }
}

/** A file of the model, as transformers.js asks its cache for it: weights by path, so that they are not in memory twice. */
async function fileOf(key: string): Promise<Response | string | undefined> {
  const at = key.indexOf(place)
  const path = at === -1 ? '' : key.slice(at + place.length)
  const bytes = files[path]
  if (bytes) return new Response(bytes, { headers: { 'content-length': String(bytes.length) } })
  if (bytes === undefined || folder === null) return undefined
  return path.endsWith('.json') ? new Response(await readFile(join(folder, path))) : join(folder, path)
}

const loading = load()

async function embed(texts: readonly string[]): Promise<Float32Array> {
  const { tokenizer, run } = await loading
  const inputs = tokenizer(texts, { padding: true, truncation: true, max_length: recipe.tokensMax })
  const output = await run(inputs)
  const hidden = output.last_hidden_state ?? output.token_embeddings
  if (!hidden) throw new Error(`it gives ${Object.keys(output).join(', ')}, expected last_hidden_state`)
  const [count = 0, tokens = 0, dimension = 0] = hidden.dims
  if (count !== texts.length || dimension !== recipe.dimension) throw new Error(`it gives ${hidden.dims.join(' x ')} values, expected ${texts.length} x tokens x ${recipe.dimension}`)
  return poolTokens(hidden.data as Float32Array, inputs.attention_mask.data as BigInt64Array, { texts: count, tokens, dimension }, recipe.pooling)
}

const post = (message: FromModelThread, moved: ArrayBuffer[] = []) => port.postMessage(message, moved)

port.on('message', (message: ToModelThread) => {
  embed(message.texts).then(
    (vectors) => post({ kind: 'vectors', id: message.id, vectors }, [vectors.buffer as ArrayBuffer]),
    (error: unknown) => post({ kind: 'failed', id: message.id, message: messageOf(error) }),
  )
})
loading.then(
  () => post({ kind: 'ready' }),
  (error: unknown) => post({ kind: 'failed', id: null, message: messageOf(error) }),
)
