import type { Configuration } from '../config/configuration.ts'
import { modelStoreSettings, type ModelSettings } from '../config/load.ts'
import { openModel } from '../embed/open-model.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { ModelEvent } from '../models/context.ts'
import type { ModelStore } from '../models/model-store.ts'
import { sizeText } from './text.ts'

/** The configured model store. Loaded on demand: most commands need none. */
export async function openConfiguredStore(configuration: Configuration, onEvent: (event: ModelEvent) => void = tellEvent): Promise<ModelStore> {
  const { openModelStore } = await import('../models/open-model-store.ts')
  return openModelStore(modelStoreSettings(configuration), { onEvent })
}

/** The configured embedding model; its files come from the model store, if it has any. */
export async function openEmbeddingModel(configuration: Configuration, model: ModelSettings): Promise<EmbeddingModel> {
  const opened: Promise<ModelStore>[] = []
  const { embeddingFiles } = await import('../models/embedding-files.ts')
  const store = () => {
    if (opened.length === 0) opened.push(openConfiguredStore(configuration))
    return opened[0]!
  }
  try {
    return await openModel(model, { files: embeddingFiles(store) })
  } finally {
    for (const each of opened) await (await each).close()
  }
}

/** What takes time, or went wrong, on standard error. */
export function tellEvent(event: ModelEvent): void {
  if (event.event === 'problem') process.stderr.write(`warning: ${event.message}\n`)
  else if (event.event === 'fetched' && event.tier !== 'disk' && event.bytes > 1_000_000) process.stderr.write(`${event.repository}/${event.path}: ${sizeText(event.bytes)} from the ${event.tier} in ${(event.ms / 1000).toFixed(1)} s\n`)
}
