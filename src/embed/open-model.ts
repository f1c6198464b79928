import { systemClock, type Clock } from '../base/clock.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { EmbeddingModel } from './embedding-model.ts'
import { loadStaticModel } from './load-static-model.ts'
import { createOpenAiModel } from './openai-model.ts'

const overHttp = 'openai:'

/** Opens a model by name: `static-384` from the package, `openai:<model>` over HTTP. @throws {WindlassError} what the server refuses. */
export function openModel(
  { name, ...settings }: { name: string; dimension?: number; apiKey?: string; baseUrl?: string },
  { clock = systemClock, random = systemRandom }: { clock?: Clock; random?: Random } = {},
): Promise<EmbeddingModel> {
  return name.startsWith(overHttp) ? createOpenAiModel({ ...settings, model: name.slice(overHttp.length), clock, random }) : loadStaticModel()
}
