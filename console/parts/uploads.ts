import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Api } from '../api.ts'
import { showNoun } from '../quantities.ts'
import { asApiError } from './load.ts'

/** A file on its way. `path` is what it will be called. */
export interface Upload {
  readonly id: number
  readonly file: File
  readonly path: string
  readonly state: 'waiting' | 'sending' | 'done' | 'failed'
  /** Of its bytes, sent; 1: the server reads it. */
  readonly share: number
  readonly outcome?: string
  readonly error?: string
}

interface UploadAnswer {
  readonly documents: readonly { readonly status: string; readonly chunkCount: number; readonly error?: string }[]
}

// As many as the server parses at once.
const atOnceMax = 2

/** Files that are sent one after the other; each has a fate of its own. */
export function useUploads(api: Api, path: string, onChange: () => void): { uploads: readonly Upload[]; add(files: readonly { file: File; path: string }[]): void; retry(id: number): void; cancel(id: number): void; clear(): void } {
  const [uploads, setUploads] = useState<readonly Upload[]>([])
  const ids = useRef(0)
  const ending = useRef(new Map<number, AbortController>())
  const change = useCallback((id: number, part: Partial<Upload>) => setUploads((all) => all.map((each) => (each.id === id ? { ...each, ...part } : each))), [])
  useEffect(() => {
    const free = atOnceMax - ending.current.size
    for (const upload of uploads.filter(({ id, state }) => state === 'waiting' && !ending.current.has(id)).slice(0, Math.max(0, free))) {
      const abort = new AbortController()
      ending.current.set(upload.id, abort)
      change(upload.id, { state: 'sending', share: 0 })
      void send(api, path, upload, { signal: abort.signal, onProgress: (share) => change(upload.id, { share }) })
        .then((part) => change(upload.id, part))
        .finally(() => {
          ending.current.delete(upload.id)
          onChange()
          // Looks again for who waits.
          setUploads((all) => [...all])
        })
    }
  }, [uploads, api, path, change, onChange])
  // Who leaves the page ends what is under way.
  useEffect(() => () => ending.current.forEach((abort) => abort.abort()), [])
  return {
    uploads,
    add: (files) => setUploads((all) => [...all, ...files.map(({ file, path: name }): Upload => ({ id: ids.current++, file, path: name, state: 'waiting', share: 0 }))]),
    retry: (id) => setUploads((all) => all.map(({ error: _, ...each }) => (each.id === id ? { ...each, state: 'waiting', share: 0 } : each))),
    cancel: (id) => {
      const abort = ending.current.get(id)
      if (abort) abort.abort()
      else setUploads((all) => all.filter((each) => each.id !== id))
    },
    clear: () => setUploads([]),
  }
}

async function send(api: Api, path: string, { file, path: name }: Upload, options: { signal: AbortSignal; onProgress(share: number): void }): Promise<Partial<Upload>> {
  try {
    const { documents } = await api.upload<UploadAnswer>(`${path}/${encodeURIComponent(name)}`, file, options)
    const [document] = documents
    if (!document || document.status === 'failed') return { state: 'failed', error: document?.error ?? 'the server did not say what became of it' }
    return { state: 'done', outcome: `${document.status}, ${showNoun(document.chunkCount, 'passage')}` }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return { state: 'failed', error: 'cancelled' }
    return { state: 'failed', error: asApiError(error).message }
  }
}

/** Files that were dropped, those in folders with their paths. */
export async function filesOf(transfer: DataTransfer): Promise<{ file: File; path: string }[]> {
  // Entries must be taken before the first await: the browser forgets the items then.
  const entries = Array.from(transfer.items).flatMap((item) => item.webkitGetAsEntry() ?? [])
  if (entries.length === 0) return Array.from(transfer.files).map((file) => ({ file, path: file.name }))
  const found: { file: File; path: string }[] = []
  for (const entry of entries) await collect(entry, found)
  return found
}

async function collect(entry: FileSystemEntry, found: { file: File; path: string }[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    found.push({ file, path: entry.fullPath.replace(/^\//, '') })
    return
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (;;) {
    // A reader gives a folder in parts, the last of which is empty.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (part.length === 0) return
    for (const each of part) await collect(each, found)
  }
}
