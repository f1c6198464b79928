import { isWindlassError } from '../base/errors.ts'
import { modelSettings, modelStoreSettings } from '../config/load.ts'
import { openModel } from '../embed/open-model.ts'
import { embeddingFiles } from '../models/embedding-files.ts'
import { listModels } from '../models/manage-models.ts'
import { openModelStore } from '../models/open-model-store.ts'
import { repositoriesOf } from '../embed/sentence-transformer-recipe.ts'
import { parseModelName } from '../models/repository.ts'
import { ok, problem, type Check, type DoctorContext, type Finding } from './check.ts'

/** Whether the embedding model answers, and gives as many values as VECTOR_DIMENSION says. */
export const embedderCheck: Check = {
  name: 'embedder',
  timeoutMs: 60_000,
  applies: () => true,
  async run(context, signal) {
    const { configuration, clock, random } = context
    const settings = modelSettings(configuration)
    if (settings.name === 'static-384' || settings.name.startsWith('openai:')) return embedOnce(context, () => openModel(settings, { clock, random }), signal)
    const store = await openModelStore({ ...modelStoreSettings(configuration), bucket: /^(memory|https?):/i.test(context.bucket.url) ? null : context.bucket.url }, { clock, random })
    try {
      const repositories = repositoriesOf(settings.name).map((name) => parseModelName(name).repository)
      const stored = store.tiers.bucket ? (await listModels(store)).find(({ repository, filesInBucket }) => filesInBucket > 0 && repositories.includes(repository)) : undefined
      // A hundred megabytes are not fetched only to see whether it goes.
      if (!stored) return [ok(`${settings.name} is not here yet, and was not fetched for this: see models`)]
      return await embedOnce(context, () => openModel(settings, { clock, random, files: embeddingFiles(() => Promise.resolve(store)) }), signal)
    } finally {
      await store.close({ waitMs: 0 })
    }
  },
}

async function embedOnce({ configuration, clock }: DoctorContext, open: () => ReturnType<typeof openModel>, signal: AbortSignal): Promise<Finding[]> {
  const origin = configuration.origin('embedding-model')
  try {
    const model = await open()
    const started = clock.monotonic()
    const [vector] = await model.embed(['windlass doctor'], { kind: 'query', signal })
    const ms = Math.round(clock.monotonic() - started)
    const wanted = configuration.number('dimension')
    if (!vector || vector.length === 0) return [problem(`${model.name} gives no vector`)]
    if (wanted !== undefined && vector.length !== wanted) return [problem(`${configuration.origin('dimension')} is ${wanted}, and ${model.name} gives ${vector.length} values`, { why: 'an index takes vectors of one length', mend: `VECTOR_DIMENSION=${vector.length}` })]
    return [ok(`${model.name} (${origin}) gives ${vector.length} values, in ${ms} ms`)]
  } catch (error) {
    if (!isWindlassError(error)) throw error
    if (error.kind === 'missing-dependency') return [problem(error.message, { mend: error.message.slice(error.message.indexOf('npm install')) })]
    return [problem(error.message, error.kind === 'unauthenticated' ? { mend: 'OPENAI_API_KEY=sk-…   # from https://platform.openai.com/api-keys' } : {})]
  }
}
