import { isWindlassError, messageOf } from '../base/errors.ts'
import { modelSettings, modelStoreSettings } from '../config/load.ts'
import { repositoriesOf } from '../embed/sentence-transformer-recipe.ts'
import { HubClient } from '../models/hub-client.ts'
import { listModels, type ModelListing } from '../models/manage-models.ts'
import { openModelStore } from '../models/open-model-store.ts'
import { parseModelName } from '../models/repository.ts'
import { ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'
import { sizeText } from './size-text.ts'

/** Whether models are in the bucket, whole, and whether what is missing can be fetched: why they are downloaded every time. */
export const modelsCheck: Check = {
  name: 'models',
  needs: ['bucket'],
  timeoutMs: 30_000,
  applies: ({ bucket }) => !/^(memory|https?):/i.test(bucket.url),
  async run(context, signal) {
    const store = await openModelStore({ ...modelStoreSettings(context.configuration), bucket: context.bucket.url }, { clock: context.clock, random: context.random })
    try {
      const listings = await listModels(store)
      const wanted = wantedModel(context)
      const findings = listings.map(findingOf)
      if (wanted !== null) findings.push(...(await ofWanted(context, wanted, listings, signal)))
      return findings.length > 0 ? findings : [ok('no models are kept in the bucket, and the configured one needs none')]
    } finally {
      await store.close({ waitMs: 0 })
    }
  },
}

/** Repositories of the configured model, first the likeliest; null for one that needs none. */
function wantedModel({ configuration }: DoctorContext): readonly string[] | null {
  const { name } = modelSettings(configuration)
  return name === 'static-384' || name.startsWith('openai:') ? null : repositoriesOf(name)
}

function findingOf({ repository, filesTotal, filesInBucket, bytesInBucket, bytesTotal, bytesOnDisk }: ModelListing): Finding {
  const here = bytesOnDisk === 0 ? 'not on this disk' : `${sizeText(bytesOnDisk)} on this disk`
  // What nobody asked for is not fetched: that some files are missing is as it should be.
  return ok(`${repository}: ${filesInBucket} of ${filesTotal} files (${sizeText(bytesInBucket)} of ${sizeText(bytesTotal)}) are in the bucket, ${here}`)
}

async function ofWanted(context: DoctorContext, names: readonly string[], listings: readonly ModelListing[], signal: AbortSignal): Promise<Finding[]> {
  const { configuration } = context
  const repositories = names.map((name) => parseModelName(name))
  const stored = listings.find(({ repository }) => repositories.some((each) => each.repository === repository))
  if (stored && stored.filesInBucket > 0) return []
  const origin = configuration.origin('embedding-model')
  const pull = `windlass models pull ${repositories[0]!.repository}`
  const settings = modelStoreSettings(configuration)
  if (!settings.hub) return [problem(`${repositories[0]!.repository} (${origin}) is not in the bucket, and the hub is not asked (${configuration.origin('hf-offline')})`, { mend: `HF_HUB_OFFLINE=false ${pull}` })]
  const hub = new HubClient(settings.hub, context)
  const failures: unknown[] = []
  for (const { repository, revision } of repositories) {
    try {
      const { commit, files } = await hub.list(repository, revision, signal)
      // Of a gated model everybody may read the list.
      const [smallest] = [...files].sort((one, other) => one.sizeBytes - other.sizeBytes)
      if (smallest) for await (const _ of hub.read(repository, commit, smallest, 0, signal)) break
      return [warning(`${repository} (${origin}) is not in the bucket yet: ${files.length} files are at ${settings.hub.endpoint}`, { why: 'it is fetched on first use, as is usual for the first; from then on it comes from the bucket', mend: pull })]
    } catch (error) {
      failures.push(error)
    }
  }
  const worst = failures.find((error) => !isWindlassError(error, 'not-found')) ?? failures[0]
  return [problem(`${repositories[0]!.repository} (${origin}) is neither in the bucket nor to be had: ${messageOf(worst)}`, { mend: `HF_TOKEN=hf_…   # for gated and private ones; HF_ENDPOINT for a mirror\n${pull}` })]
}
