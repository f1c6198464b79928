import { WindlassError } from '../base/errors.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { MovedRecord } from './record.ts'
import type { LayoutSample } from './scan-source.ts'
import type { TargetShape } from './target.ts'

/** Whether old vectors are taken over, and why. */
export interface Decision {
  readonly mode: 'reuse' | 'embed'
  /** For people. */
  readonly reason: string
  /** What made the vectors that will be at the destination; null where nobody knows. */
  readonly model: string | null
  readonly dimension: number
}

export interface DecideOptions {
  readonly wanted: 'auto' | 'reuse' | 'embed'
  /** What the person says made the old vectors. */
  readonly vectorModel?: string
  readonly sample: LayoutSample
  readonly target: TargetShape | null
  /** The configured model. */
  readonly configured: { readonly name: string; load(): Promise<EmbeddingModel> }
}

/** Texts embedded again, to see whether the configured model made the old vectors. */
const probesMax = 8
/** Two runtimes of one model differ in rounding, and 8-bit weights by some more; two models have nothing to do with each other. */
const cosineSame = 0.99

/**
 * Old vectors are taken over where nothing speaks against it: the collection's dimension and model are theirs. What made them is told by the
 * person, by the records, or found out: the texts of some records are embedded again and compared. Otherwise they are made anew from the
 * files.
 * @throws {WindlassError} `invalid` where taking over was asked for and cannot be right, or nobody can tell.
 */
export async function decideVectors({ wanted, vectorModel, sample, target, configured }: DecideOptions): Promise<Decision> {
  const dimension = sample.dimensions[0]?.dimension
  const embed = async (reason: string): Promise<Decision> => {
    const model = await configured.load()
    return { mode: 'embed', reason, model: model.name, dimension: model.dimension }
  }
  if (wanted === 'embed') return embed('as asked for')
  if (dimension === undefined) return noVectors(sample)
  const refuse = (reason: string): Promise<Decision> => {
    if (wanted === 'auto') return embed(reason)
    throw new WindlassError('invalid', `the old vectors cannot be taken over: ${reason}: use --vectors embed, or another collection`, { path: 'vectors' })
  }
  if (target?.dimension != null && target.dimension !== dimension) return refuse(`they have ${dimension} values, and the destination's have ${target.dimension}`)
  const told = vectorModel ?? sample.models[0]
  const asked = target?.model ?? configured.name
  if (told !== undefined) {
    const isSame = plainName(told) === plainName(asked)
    if (target?.model != null && !isSame) return refuse(`${told} made them, and the destination's are of ${target.model}`)
    return { mode: 'reuse', reason: vectorModel === undefined ? `their records say that ${told} made them` : `made by ${told}, as told`, model: isSame ? asked : told, dimension }
  }
  const isAsked = configured.name === asked || target?.model == null
  const probed = isAsked ? await probe(sample.withText, dimension, configured) : null
  if (probed && probed.cosine >= cosineSame) return { mode: 'reuse', reason: `${probed.model} makes the same vectors of ${probed.texts} of their texts (mean cosine ${probed.cosine.toFixed(4)})`, model: probed.model, dimension }
  if (target?.model == null) return { mode: 'reuse', reason: 'nothing says what made them: searches by meaning need --vector-model <name>, or a vector', model: null, dimension }
  return refuse(!probed ? `nothing says what made them, and the destination's are of ${target.model}` : `the destination's are of ${target.model}, which makes others of the same texts (mean cosine ${probed.cosine.toFixed(2)})`)
}

function noVectors({ objects, problems }: LayoutSample): never {
  const [first] = problems
  const why = first ? `, the first of them: ${first.where}: ${first.reason}` : ''
  throw new WindlassError('not-found', `no vector was found in the first ${objects} objects${why}: name the folder with --vectors-prefix and the field with --vector-field, or make vectors from the files with --vectors embed`, { path: 'source' })
}

/** Mean cosine between old vectors and those that the model makes of their texts; null where there is nothing to compare. */
async function probe(records: readonly MovedRecord[], dimension: number, configured: DecideOptions['configured']): Promise<{ cosine: number; model: string; texts: number } | null> {
  const samples = records.filter(({ document, vector }) => document !== undefined && document.trim() !== '' && vector.length === dimension).slice(0, probesMax)
  if (samples.length === 0) return null
  const model = await configured.load().catch(() => null)
  if (!model || model.dimension !== dimension) return null
  const made = await model.embed(samples.map(({ document }) => document!), { kind: 'document' })
  const mean = samples.reduce((sum, { vector }, i) => sum + cosineOf(vector, made[i]!), 0) / samples.length
  return { cosine: mean, model: model.name, texts: samples.length }
}

function cosineOf(a: Float32Array, b: Float32Array): number {
  let [dot, x, y] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    x += a[i]! ** 2
    y += b[i]! ** 2
  }
  return x === 0 || y === 0 ? 0 : dot / Math.sqrt(x * y)
}

/** `sentence-transformers/all-MiniLM-L6-v2`, `all-MiniLM-L6-v2@main` and `all-MiniLM-L6-v2` are one. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(openai:|openai\/|sentence-transformers\/|xenova\/)/, '')
    .replace(/@.*$/, '')
}
