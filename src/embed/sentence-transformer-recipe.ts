import { WindlassError } from '../base/errors.ts'
import type { Pooling } from './pool.ts'

/** Which weights: full precision, half, or 8 bit. */
export type Weights = 'fp32' | 'fp16' | 'q8'

/** How a model is run: what its repository says, and what is known of those whose ONNX copies leave that out. */
export interface Recipe {
  readonly dimension: number
  /** Texts are cut here, special tokens counted. */
  readonly tokensMax: number
  readonly pooling: Pooling
  /** Put before a text, by what it is for. */
  readonly prompts: { readonly query: string; readonly document: string }
}

/** Files that say how a model is run, where a repository has them. */
export const recipeFiles = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'modules.json', '1_Pooling/config.json', 'sentence_bert_config.json', 'config_sentence_transformers.json'] as const

const suffixes: Readonly<Record<Weights, string>> = { fp32: '', fp16: '_fp16', q8: '_quantized' }

// From the models' own repositories; copies in ONNX for transformers.js carry only tokenizer and weights.
const known: readonly { pattern: RegExp; tokensMax: number; pooling?: Pooling; query?: string; document?: string }[] = [
  { pattern: /^all-MiniLM-L6-v2$/, tokensMax: 256 },
  { pattern: /^(all-MiniLM-L12-v2|paraphrase-multilingual-MiniLM-L12-v2)$/, tokensMax: 128 },
  { pattern: /^all-mpnet-base-v2$/, tokensMax: 384 },
  { pattern: /^multi-qa-MiniLM-L6-cos-v1$/, tokensMax: 512 },
  { pattern: /^bge-(small|base|large)-en-v1\.5$/, tokensMax: 512, pooling: 'cls', query: 'Represent this sentence for searching relevant passages: ' },
  { pattern: /^(multilingual-)?e5-(small|base|large)(-v2)?$/, tokensMax: 512, query: 'query: ', document: 'passage: ' },
]

/** The repositories that a model's name may mean, best first: one without an owner is of sentence-transformers, or its copy in ONNX. */
export function repositoriesOf(name: string): string[] {
  return name.includes('/') ? [name] : [`sentence-transformers/${name}`, `Xenova/${name}`]
}

/**
 * Which weights to use, and the files that hold them.
 * @param wanted Undefined: the most precise that there are.
 * @returns null when the repository has no such weights in ONNX.
 */
export function weightFiles(paths: readonly string[], wanted: Weights | undefined): { weights: Weights; files: string[] } | null {
  for (const weights of wanted === undefined ? (['fp32', 'fp16', 'q8'] as const) : [wanted]) {
    const path = `onnx/model${suffixes[weights]}.onnx`
    if (paths.includes(path)) return { weights, files: paths.filter((each) => each === path || (each.startsWith(`${path}_data`) && /^(_\d+)?$/.test(each.slice(path.length + 5)))) }
  }
  return null
}

/**
 * Reads how a model is run.
 * @param read JSON of a file of the repository, undefined where it has none.
 * @throws {WindlassError} `unsupported` for a model with layers after pooling, or a pooling that we do not have.
 */
export function readRecipe(name: string, read: (path: (typeof recipeFiles)[number]) => Record<string, unknown> | undefined): Recipe {
  const unsupported = (what: string) => new WindlassError('unsupported', `model ${name} ${what}: choose one of sentence-transformers' without it`, { path: 'embedding-model' })
  const facts = known.find(({ pattern }) => pattern.test(name.split('/').at(-1)!.replace(/@.*$/, '')))
  const config = read('config.json') ?? {}
  const dimension = numberOf(config.hidden_size) ?? numberOf(config.dim)
  if (dimension === undefined) throw unsupported('does not say how many values its vectors have (config.json: hidden_size)')
  const modules = read('modules.json') as readonly { type?: unknown }[] | undefined
  const extra = Array.isArray(modules) ? modules.map(({ type }) => String(type).split('.').at(-1)!).find((type) => !['Transformer', 'Pooling', 'Normalize'].includes(type)) : undefined
  if (extra !== undefined) throw unsupported(`has a layer ${extra}, which is not in its ONNX file`)
  const prompts = (read('config_sentence_transformers.json')?.prompts ?? {}) as Record<string, unknown>
  const limits = [read('sentence_bert_config.json')?.max_seq_length ?? facts?.tokensMax, read('tokenizer_config.json')?.model_max_length, config.max_position_embeddings]
  return {
    dimension,
    tokensMax: Math.min(...limits.map((limit) => numberOf(limit) ?? Number.POSITIVE_INFINITY), 8192),
    pooling: poolingOf(read('1_Pooling/config.json'), unsupported) ?? facts?.pooling ?? 'mean',
    prompts: { query: textOf(prompts.query) ?? facts?.query ?? '', document: textOf(prompts.document) ?? textOf(prompts.passage) ?? facts?.document ?? '' },
  }
}

function poolingOf(config: Record<string, unknown> | undefined, unsupported: (what: string) => WindlassError): Pooling | undefined {
  if (!config) return undefined
  const modes = Object.entries(config).flatMap(([key, value]) => (key.startsWith('pooling_mode_') && value === true ? [key.slice('pooling_mode_'.length)] : []))
  if (modes.length === 1 && modes[0] === 'mean_tokens') return 'mean'
  if (modes.length === 1 && modes[0] === 'cls_token') return 'cls'
  throw unsupported(`pools by ${modes.join(' and ') || 'nothing'}, expected mean_tokens or cls_token`)
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
