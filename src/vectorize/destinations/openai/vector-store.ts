import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import { deleteObject, getOrNull, listAll, type ApiStore } from './openai-api.ts'
import type { OpenAiClient } from './openai-client.ts'

const triesMax = 4
// Times of creation are whole seconds: after this long, whatever was made in the same one can be seen.
const settledMs = 2500

/**
 * The id of a vector store, given its id (`vs_…`) or a name; made when no store has the name. Of stores with one name the oldest is
 * taken, so that several processes that make it at once end with one: each sees the others and removes its own.
 * @throws {WindlassError} `not-found` for an id that is not there, `expired` for one that has expired.
 */
export async function findVectorStore(client: OpenAiClient, idOrName: string, signal?: AbortSignal): Promise<string> {
  if (/^vs_/.test(idOrName)) {
    const store = await getOrNull<ApiStore>(client, `/vector_stores/${encodeURIComponent(idOrName)}`, `open vector store ${idOrName}`, signal)
    if (!store) throw new WindlassError('not-found', `openai: there is no vector store ${idOrName}: create it, or declare a name, which is made when it is not there`, { path: 'vectorStore' })
    if (store.status === 'expired') throw new WindlassError('expired', `openai: vector store ${idOrName} has expired: declare another`, { path: 'vectorStore' })
    return store.id
  }
  return findByName(client, idOrName, signal)
}

async function findByName(client: OpenAiClient, name: string, signal: AbortSignal | undefined): Promise<string> {
  const made = new Set<string>()
  for (let tries = 0; ; ) {
    const stores = await storesNamed(client, name, signal)
    const oldest = stores.reduce<ApiStore | null>((first, each) => (!first || each.created_at < first.created_at || (each.created_at === first.created_at && each.id < first.id) ? each : first), null)
    const ageMs = oldest ? client.serverNow() - oldest.created_at * 1000 : 0
    if (oldest && ageMs >= settledMs) {
      for (const id of made) if (id !== oldest.id) await deleteObject(client, `/vector_stores/${id}`, `remove the second vector store named ${name}`, signal)
      return oldest.id
    }
    if (oldest) await client.clock.sleep(settledMs - ageMs + 100, signal)
    else {
      try {
        made.add(((await client.send({ method: 'POST', path: '/vector_stores', operation: `make vector store ${name}`, json: { name, metadata: { made_by: 'windlass' } }, repeat: 'refused', signal })).value as ApiStore).id)
      } catch (error) {
        // The next look tells whether it was made.
        if (!isWindlassError(error, 'outcome-unknown') || ++tries === triesMax) throw error
        await client.backOff(tries, signal)
      }
    }
  }
}

async function storesNamed(client: OpenAiClient, name: string, signal: AbortSignal | undefined): Promise<ApiStore[]> {
  const found: ApiStore[] = []
  for await (const store of listAll<ApiStore>(client, '/vector_stores', { limit: '100' }, `look for vector store ${name}`, signal)) if (store.name === name && store.status !== 'expired') found.push(store)
  return found
}
