import type { Configuration } from '../config/configuration.ts'
import { modelStoreSettings } from '../config/load.ts'
import type { ModelEvent } from '../models/context.ts'
import type { embeddingFiles } from '../models/embedding-files.ts'
import type { ModelStore } from '../models/model-store.ts'
import { sizeText } from './text.ts'

/** Gives `task` the files of the configured model store, which is opened if any are asked for, and closed afterwards. */
export async function withModelFiles<Value>(configuration: Configuration, task: (files: ReturnType<typeof embeddingFiles>) => Promise<Value>): Promise<Value> {
  // Loaded on demand: most commands need no such model.
  const [{ embeddingFiles }, { openModelStore }] = await Promise.all([import('../models/embedding-files.ts'), import('../models/open-model-store.ts')])
  const opened: Promise<ModelStore>[] = []
  const store = () => {
    if (opened.length === 0) opened.push(openModelStore(modelStoreSettings(configuration), { onEvent: tellEvent }))
    return opened[0]!
  }
  try {
    return await task(embeddingFiles(store))
  } finally {
    for (const each of opened) await (await each).close()
  }
}

/** What takes time, or went wrong, on standard error. */
export function tellEvent(event: ModelEvent): void {
  if (event.event === 'problem') process.stderr.write(`warning: ${event.message}\n`)
  else if (event.event === 'fetched' && event.tier !== 'disk' && event.bytes > 1_000_000) process.stderr.write(`${event.repository}/${event.path}: ${sizeText(event.bytes)} from the ${event.tier} in ${(event.ms / 1000).toFixed(1)} s\n`)
}
