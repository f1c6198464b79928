import type { ModelProblem, ModelTier, ModelTiers } from './context.ts'

/** How a model store is doing. */
export interface ModelStoreState {
  readonly folder: string | null
  readonly isWritable: boolean
  readonly usedBytes: number
  readonly pinnedBytes: number
  readonly budgetBytes: number
  /** Of the file system that the folder is on; null where it cannot be asked. */
  readonly freeBytes: number | null
  readonly fetchedFiles: Readonly<Record<ModelTier, number>>
  readonly fetchedBytes: Readonly<Record<ModelTier, number>>
  readonly problems: Readonly<Partial<Record<ModelProblem, string>>>
  /** What somebody should look at before it becomes an error: watermarks, and problems that another tier made good. */
  readonly warnings: readonly string[]
}

// In use, not merely cached: cached files make room by themselves.
const pinnedWatermark = 0.8
// Little is free, and less than the cache may still take.
const freeWatermark = 0.1

export async function storeState({ disk, journal }: ModelTiers): Promise<ModelStoreState> {
  const [measure, fileSystem, isWritable] = await Promise.all([disk?.measure(), disk?.fileSystem(), disk?.isWritable()])
  const budgetBytes = disk?.budgetBytes ?? 0
  const pinnedBytes = measure?.pinnedBytes ?? 0
  const problems = Object.fromEntries(journal.problems())
  const warnings = Object.values(problems)
  if (disk && isWritable === false) warnings.push(`model folder ${disk.folder} cannot be written: models are read from the bucket each time`)
  if (pinnedBytes > budgetBytes * pinnedWatermark) warnings.push(`models in use take ${pinnedBytes} of ${budgetBytes} bytes: raise WINDLASS_MODEL_CACHE_BUDGET`)
  if (fileSystem && fileSystem.freeBytes < Math.min(fileSystem.totalBytes * freeWatermark, budgetBytes - measure!.usedBytes)) warnings.push(`${fileSystem.freeBytes} of ${fileSystem.totalBytes} bytes are free where models are kept (${disk!.folder}): lower WINDLASS_MODEL_CACHE_BUDGET, or free space`)
  return {
    folder: disk?.folder ?? null,
    isWritable: isWritable ?? false,
    usedBytes: measure?.usedBytes ?? 0,
    pinnedBytes,
    budgetBytes,
    freeBytes: fileSystem?.freeBytes ?? null,
    fetchedFiles: { ...journal.fetchedFiles },
    fetchedBytes: { ...journal.fetchedBytes },
    problems,
    warnings,
  }
}
