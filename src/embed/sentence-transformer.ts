import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import { loadOptional } from '../base/optional.ts'
import type { EmbeddingModel, TextKind } from './embedding-model.ts'
import { batchByLength } from './pool.ts'
import { readRecipe, recipeFiles, repositoriesOf, weightFiles, type Recipe, type Weights } from './sentence-transformer-recipe.ts'
import { ModelThread } from './sentence-transformer-thread.ts'

/** Where files of a model come from: the model store is one. */
export interface ModelFiles {
  /** Paths that the model's repository has. @throws {WindlassError} `not-found` where there is no such model. */
  list(name: string): Promise<readonly string[]>
  /** Some of them: in a folder, or, where no disk can be written, as bytes. */
  load(name: string, paths: readonly string[]): Promise<LoadedFiles>
}

export interface LoadedFiles {
  readonly folder: string | null
  /** Bytes, or null where they lie in `folder`. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer> | null>>
  release(): Promise<void>
}

export interface SentenceTransformerSettings {
  /** `all-MiniLM-L6-v2`, `owner/name`, `owner/name@revision`. */
  readonly name: string
  readonly weights?: Weights
  /** Must be the model's, if given. */
  readonly dimension?: number
}

const batchTextsMax = 32
// About 8,000 tokens: activations of a small model stay below 200 MB.
const batchCharactersMax = 32_768

/**
 * A sentence-transformer in ONNX, run by transformers.js in a thread of this process. Its name tells 8-bit weights apart: their vectors
 * are not those of the others.
 */
export class SentenceTransformer implements EmbeddingModel {
  readonly name: string
  readonly dimension: number
  readonly tokensMax: number
  readonly #thread: ModelThread
  readonly #recipe: Recipe
  readonly #count: (text: string) => number

  private constructor(name: string, thread: ModelThread, recipe: Recipe, count: (text: string) => number) {
    this.name = name
    this.dimension = recipe.dimension
    this.tokensMax = recipe.tokensMax
    this.#thread = thread
    this.#recipe = recipe
    this.#count = count
  }

  /**
   * Fetches a model's files and loads it.
   * @throws {WindlassError} `missing-dependency` without transformers.js; `unsupported` for a repository without such weights in ONNX;
   *   `invalid` for another dimension than the model's; what fetching throws.
   */
  static async open({ name, weights: wanted, dimension }: SentenceTransformerSettings, source: ModelFiles): Promise<SentenceTransformer> {
    const modulePath = await loadOptional('@huggingface/transformers', async () => createRequire(import.meta.url).resolve('@huggingface/transformers'))
    const { repository, weights, paths } = await choose(name, wanted, source)
    const loaded = await source.load(repository, paths)
    try {
      const texts = new Map(await Promise.all(paths.filter((path) => path.endsWith('.json')).map(async (path) => [path, await textOf(loaded, path)] as const)))
      const json = (path: string) => parse(texts.get(path), `${path} of model ${name}`)
      const recipe = readRecipe(name, json)
      if (dimension !== undefined && dimension !== recipe.dimension) throw new WindlassError('invalid', `VECTOR_DIMENSION is ${dimension}, model ${name} has ${recipe.dimension}: unset it, or choose a model that has it`, { path: 'dimension' })
      const count = await tokenCounter(modulePath, json('tokenizer.json'), json('tokenizer_config.json'))
      const thread = await ModelThread.start(name, { modulePath, folder: loaded.folder, files: loaded.files, recipe, weights })
      return new SentenceTransformer(weights === 'q8' ? `${name}:q8` : name, thread, recipe, count)
    } finally {
      // ONNX Runtime has read what it needs.
      await loaded.release()
    }
  }

  async embed(texts: readonly string[], { kind = 'document', signal }: { kind?: TextKind; signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    const prompted = texts.map((text) => this.#recipe.prompts[kind] + text)
    const vectors = new Array<Float32Array>(texts.length)
    for (const batch of batchByLength(prompted, { textsMax: batchTextsMax, charactersMax: batchCharactersMax })) {
      throwIfAborted(signal)
      const rows = await this.#thread.embed(batch.map((i) => prompted[i]!))
      // Copied: a row that lives long must not keep its batch.
      for (const [row, i] of batch.entries()) vectors[i] = rows.slice(row * this.dimension, (row + 1) * this.dimension)
    }
    throwIfAborted(signal)
    return vectors
  }

  countTokens(text: string): number {
    return this.#count(text)
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.#thread.end()
  }
}

/** The repository that is meant, its weights and the files that are needed. */
async function choose(name: string, wanted: Weights | undefined, source: ModelFiles): Promise<{ repository: string; weights: Weights; paths: string[] }> {
  let missing: unknown
  const without: string[] = []
  for (const repository of repositoriesOf(name)) {
    const all = await source.list(repository).catch((error: unknown) => {
      if (!isWindlassError(error, 'not-found')) throw error
      missing ??= error
      return null
    })
    const found = all && weightFiles(all, wanted)
    if (found) return { repository, weights: found.weights, paths: [...recipeFiles.filter((path) => all.includes(path)), ...found.files] }
    if (all) without.push(repository)
  }
  if (without.length === 0) throw missing
  throw new WindlassError('unsupported', `${without.join(' and ')} ${without.length > 1 ? 'have' : 'has'} no ${wanted ?? ''} weights in ONNX (onnx/model*.onnx): choose another EMBEDDING_DTYPE, or a repository with them, as those of Xenova or onnx-community`.replace('no  weights', 'no weights'), { path: 'embedding-model' })
}

async function textOf({ folder, files }: LoadedFiles, path: string): Promise<string> {
  const bytes = files[path] ?? (folder === null ? new Uint8Array() : await readFile(join(folder, path)))
  return new TextDecoder().decode(bytes)
}

function parse(text: string | undefined, what: string): Record<string, unknown> | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new WindlassError('corrupt', `${what} is not JSON: choose another revision`, { path: 'embedding-model', cause })
  }
}

/** What we use of the package that transformers.js brings. */
interface TokenizersModule {
  readonly Tokenizer: new (json: unknown, config: unknown) => { encode(text: string): { ids: number[] } }
}

/** Counts tokens in this thread, by the tokenizer that transformers.js itself uses: a chunker asks far too often to wait for another one. */
async function tokenCounter(modulePath: string, tokenizer: Record<string, unknown> | undefined, config: Record<string, unknown> | undefined): Promise<(text: string) => number> {
  const name = '@huggingface/tokenizers'
  const module = (await import(pathToFileURL(createRequire(modulePath).resolve(name)).href)) as TokenizersModule & { default?: TokenizersModule }
  const { Tokenizer } = module.default ?? module
  const own = new Tokenizer(tokenizer, config ?? {})
  return (text) => own.encode(text).ids.length
}
