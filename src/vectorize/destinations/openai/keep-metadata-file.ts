import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import { applyToMetadataFile, differenceTo, readMetadataFile, writeMetadataFile, type MetadataFile, type MetadataUpdate } from './metadata-file.ts'

/** Reads a metadata file; an empty one where there is none. @throws {WindlassError} `invalid` for one that cannot be read as such. */
export async function loadMetadataFile(path: string): Promise<MetadataFile> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return null
    throw error
  })
  try {
    return readMetadataFile(text)
  } catch (error) {
    if (!isWindlassError(error)) throw error
    throw new WindlassError(error.kind, `${path}: ${error.message}`, { path, cause: error })
  }
}

/**
 * Brings a metadata file in step with all that a vector store holds; replaces it at once, and only when something differs.
 * @returns Whether it was written.
 */
export async function keepMetadataFile(path: string, held: readonly MetadataUpdate[], vectorStoreId: string): Promise<boolean> {
  const file = await loadMetadataFile(path)
  const text = writeMetadataFile(applyToMetadataFile(file, differenceTo(file, held, vectorStoreId)))
  if (text.trimEnd() === (await readFile(path, 'utf8').catch(() => '')).trimEnd()) return false
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text)
  await rename(temporary, path)
  return true
}
