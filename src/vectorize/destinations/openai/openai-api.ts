import { isWindlassError } from '../../../base/errors.ts'
import type { Attributes } from './attributes.ts'
import type { OpenAiClient } from './openai-client.ts'

// What of the API's objects is read here; names are the API's own.

/** An uploaded File. */
export interface ApiFile {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  /** Unix seconds. */
  readonly created_at: number
}

/** A File in a vector store; `id` is the File's. */
export interface ApiEntry {
  readonly id: string
  readonly status: 'in_progress' | 'completed' | 'cancelled' | 'failed'
  readonly last_error: { readonly code: string; readonly message: string } | null
  readonly attributes: Attributes | null
}

export interface ApiBatch {
  readonly id: string
  readonly status: ApiEntry['status']
  readonly file_counts: { readonly completed: number; readonly total: number }
}

export interface ApiStore {
  readonly id: string
  readonly name: string | null
  readonly status: 'expired' | 'in_progress' | 'completed'
  readonly created_at: number
  readonly file_counts?: { readonly total: number }
}

interface Page {
  readonly data: readonly { readonly id: string }[]
  readonly has_more: boolean
}

/** Everything of a list, page by page, newest first unless `query` says otherwise. */
export async function* listAll<Entry>(client: OpenAiClient, path: string, query: Readonly<Record<string, string>>, operation: string, signal?: AbortSignal): AsyncIterable<Entry & { readonly id: string }> {
  for (let after: string | undefined; ; ) {
    const parameters = new URLSearchParams({ ...query, ...(after !== undefined && { after }) })
    const { data, has_more: hasMore } = (await client.send({ method: 'GET', path: `${path}?${parameters.toString()}`, operation, signal })).value as Page
    yield* data as readonly (Entry & { readonly id: string })[]
    after = data.at(-1)?.id
    if (!hasMore || after === undefined) return
  }
}

/** One object, or null when it is not there. */
export async function getOrNull<Value>(client: OpenAiClient, path: string, operation: string, signal?: AbortSignal): Promise<Value | null> {
  try {
    return (await client.send({ method: 'GET', path, operation, signal })).value as Value
  } catch (error) {
    if (isWindlassError(error, 'not-found')) return null
    throw error
  }
}

/** Deletes; that it was not there is as good. */
export async function deleteObject(client: OpenAiClient, path: string, operation: string, signal?: AbortSignal): Promise<void> {
  try {
    await client.send({ method: 'DELETE', path, operation, signal })
  } catch (error) {
    if (!isWindlassError(error, 'not-found')) throw error
  }
}
