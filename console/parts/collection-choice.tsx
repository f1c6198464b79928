import { useConsole } from './context.ts'
import { useLoad, type Loaded } from './load.ts'
import { hrefOf } from '../router.ts'

export interface CollectionSummary {
  readonly name: string
  readonly id: string
}

/** How many a list of names is good for; more are found by typing on the page of collections. */
const choicesMax = 1000

export function useCollections(): Loaded<{ collections: CollectionSummary[]; next?: string }> {
  const { api } = useConsole()
  return useLoad((signal) => api.get('/v1/collections', { limit: choicesMax }, signal), [api.key])
}

const lastName = 'windlass-collection'

/** The collection that the address names, else the one that was last looked at, else the first. */
export function chooseCollection(collections: readonly CollectionSummary[], named: string | undefined): string | undefined {
  const names = collections.map(({ name }) => name)
  if (named !== undefined) {
    sessionStorage.setItem(lastName, named)
    return named
  }
  const last = sessionStorage.getItem(lastName)
  return last !== null && names.includes(last) ? last : names[0]
}

/** Which collection a page is about. */
export function CollectionChoice({ page, collections, chosen }: { page: string; collections: readonly CollectionSummary[]; chosen: string }) {
  const names = collections.map(({ name }) => name)
  return (
    <label class="choice">
      <span>Collection</span>
      <select value={chosen} onChange={(event) => (location.hash = hrefOf(page, [event.currentTarget.value]))}>
        {(names.includes(chosen) ? names : [chosen, ...names]).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
