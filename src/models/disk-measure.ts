import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isSha256 } from './model-manifest.ts'

/** A file in the cache. */
export interface DiskBlob {
  readonly sha256: string
  readonly sizeBytes: number
  readonly usedAtMs: number
  /** Some process has a link to it. */
  readonly isUsed: boolean
}

/** What the folder of models holds, found by looking: no list to keep in step, or to lose. */
export interface DiskMeasure {
  readonly blobs: readonly DiskBlob[]
  readonly partials: readonly { readonly path: string; readonly name: string; readonly reservedBytes: number }[]
  /** Of all partial files, by the sizes that they will have. */
  readonly reservedBytes: number
  /** Files that processes use, also such as left the cache meanwhile. */
  readonly pinnedBytes: number
  /** All of it, and what is reserved; a file with several links once. */
  readonly usedBytes: number
}

/** Measures a folder of `ModelDisk`. Files that come and go meanwhile may be missed or counted; reservations that stood before are not. */
export async function measureDisk(folder: string): Promise<DiskMeasure> {
  // Reservations first: one that becomes a blob meanwhile is then counted twice rather than not at all.
  const partials = await measurePartials(join(folder, 'partial'))
  const sizes = new Map<number, number>()
  const blobs: DiskBlob[] = []
  for (const sha256 of (await readdir(join(folder, 'blobs')).catch(() => [])).filter(isSha256)) {
    const found = await stat(join(folder, 'blobs', sha256)).catch(() => null)
    if (!found) continue
    sizes.set(found.ino, found.size)
    blobs.push({ sha256, sizeBytes: found.size, usedAtMs: found.atimeMs, isUsed: found.nlink > 1 })
  }
  const pinned = new Map<number, number>()
  for (const name of await readdir(join(folder, 'use'), { recursive: true }).catch(() => [])) {
    const found = await stat(join(folder, 'use', name)).catch(() => null)
    if (found?.isFile()) pinned.set(found.ino, found.size)
  }
  const reservedBytes = partials.reduce((sum, partial) => sum + partial.reservedBytes, 0)
  return { blobs, partials, reservedBytes, pinnedBytes: sumOf(pinned), usedBytes: sumOf(new Map([...sizes, ...pinned])) + reservedBytes }
}

async function measurePartials(folder: string): Promise<DiskMeasure['partials']> {
  const names = await readdir(folder).catch(() => [])
  return names.map((name) => ({ path: join(folder, name), name, reservedBytes: Number(name.split('~')[1]) || 0 }))
}

function sumOf(sizes: ReadonlyMap<number, number>): number {
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
