import type { Source, SourceEntry } from '../sources/source.ts'
import { fileKey, type FileState } from '../state/file-state.ts'
import type { SyncState } from '../state/sync-state.ts'
import { SeenKeys } from './seen-keys.ts'

const pageEntries = 1000
/** Changed documents kept in memory; where there are more, the source is listed again for the rest. */
const pendingMax = 100_000

export interface Comparison {
  readonly recipe: string
  readonly destinations: readonly string[]
  /** Do everything again, but what was done since. */
  readonly isFull: boolean
  readonly startedAt: number
  now(): number
}

export interface ScanResult {
  /** To be done: new, changed, due again. */
  readonly pending: SourceEntry[]
  /** Not in the source any more. Only of a whole listing. */
  readonly missing: FileState[]
  readonly unchanged: number
  readonly waiting: number
  /** There was more than is kept: scan again when these are done. */
  readonly isPartial: boolean
  readonly cursor: string | undefined
}

/** What is to be done for an entry, given what is known of it. */
export function verdict(entry: SourceEntry, file: FileState | null, { recipe, destinations, isFull, startedAt, now }: Comparison): 'pending' | 'unchanged' | 'waiting' {
  if (!file) return 'pending'
  const isSame = file.recipe === recipe && entry.revision !== undefined && entry.revision === file.revision
  if (file.failure && isSame) return file.failure.retryAt !== undefined && file.failure.retryAt <= now() ? 'pending' : 'waiting'
  if (isFull && file.vectorizedAt < startedAt) return 'pending'
  return isSame && destinations.every((name) => file.references[name] !== undefined) ? 'unchanged' : 'pending'
}

/** Lists the source and compares it with the state: nothing is read but listings and rows. */
export async function scan(source: Source, state: SyncState, comparison: Comparison, options: { since?: string; signal?: AbortSignal; onListed?: (count: number) => void }): Promise<ScanResult> {
  const listing = await source.list({ ...(options.since !== undefined && { since: options.since }), ...(options.signal && { signal: options.signal }) })
  const pending: SourceEntry[] = []
  const seen = new SeenKeys()
  let unchanged = 0
  let waiting = 0
  let listed = 0
  const compare = async (entries: readonly SourceEntry[]) => {
    const files = await state.files(entries.map(({ path }) => path))
    entries.forEach((entry, i) => {
      const what = verdict(entry, files[i]?.value ?? null, comparison)
      if (what === 'pending') pending.push(entry)
      else if (what === 'waiting') waiting++
      else unchanged++
    })
    options.onListed?.((listed += entries.length))
  }
  let page: SourceEntry[] = []
  for await (const entry of listing.entries) {
    seen.add(fileKey(entry.path))
    page.push(entry)
    if (page.length < pageEntries) continue
    await compare(page)
    page = []
    if (pending.length >= pendingMax) return { pending, missing: [], unchanged, waiting, isPartial: true, cursor: undefined }
  }
  if (page.length > 0) await compare(page)
  seen.seal()
  const missing: FileState[] = []
  if (listing.kind === 'changes') {
    for await (const path of listing.deleted) {
      const [file] = await state.files([path])
      if (file && !seen.has(fileKey(path))) missing.push(file.value)
    }
    // What failed is due again although it has not changed.
    for await (const { value } of state.all('failed')) if (!seen.has(fileKey(value.path)) && value.failure?.retryAt !== undefined && value.failure.retryAt <= comparison.now()) pending.push(entryOf(value))
  } else {
    for await (const file of state.without((key) => seen.has(key))) {
      missing.push(file)
      if (missing.length >= pendingMax) return { pending, missing, unchanged, waiting, isPartial: true, cursor: undefined }
    }
  }
  return { pending, missing, unchanged, waiting, isPartial: false, cursor: listing.cursor() }
}

/** As good as a listing for a document that is read again. */
function entryOf({ path, sizeBytes }: FileState): SourceEntry {
  return { path, sizeBytes }
}

