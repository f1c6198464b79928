import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WindlassError } from '../base/errors.ts'
import { decodeStaticModel, type StaticModel } from './static-model.ts'

const shippedFolder = join(import.meta.dirname, '../../models/static-384')
let shipped: Promise<StaticModel> | undefined

/** The model that the package ships, read once a process and shared. @throws {WindlassError} As `readStaticModel`. */
export function loadStaticModel(): Promise<StaticModel> {
  shipped ??= readStaticModel(shippedFolder).catch((error: unknown) => {
    shipped = undefined
    throw error
  })
  return shipped
}

/**
 * Reads a model folder: `model.bin`, and `model.json` with its SHA-256.
 * @throws {WindlassError} `not-found` when a file is missing, `corrupt` when the bytes are not those that were released.
 */
export async function readStaticModel(folder: string): Promise<StaticModel> {
  const [bytes, json] = await Promise.all([readModelFile(folder, 'model.bin'), readModelFile(folder, 'model.json')])
  const { sha256: expected } = JSON.parse(json.toString('utf8')) as { sha256?: string }
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== expected) {
    throw new WindlassError(
      'corrupt',
      `${join(folder, 'model.bin')} has SHA-256 ${found}, expected ${expected}: install the package again`,
    )
  }
  return decodeStaticModel(bytes)
}

async function readModelFile(folder: string, name: string) {
  try {
    return await readFile(join(folder, name))
  } catch (error) {
    throw new WindlassError(
      'not-found',
      `the embedding model's file ${join(folder, name)} cannot be read: install the package again`,
      { cause: error },
    )
  }
}
