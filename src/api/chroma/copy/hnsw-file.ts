import { WindlassError } from '../../../base/errors.ts'
import { readPickle } from './pickle.ts'

const headerBytes = 100

/**
 * The vectors of a persisted index, by record id. Layout of hnswlib's level 0 as Chroma's fork writes it: one element of fixed size a
 * label, its links first, then the vector, then the label (64 bits). Of cosine the vectors are normalized, and their lengths apart.
 * @param files The contents of `header.bin`, `data_level0.bin`, `length.bin` and `index_metadata.pickle`; the last is absent of an index
 *   that was never filled.
 * @throws {WindlassError} `corrupt`.
 */
export function readHnsw(files: { header: Uint8Array; level0: Uint8Array; lengths: Uint8Array; metadata: Uint8Array | null }, { name, isNormalized }: { name: string; isNormalized: boolean }): Map<string, Float32Array> {
  const vectors = new Map<string, Float32Array>()
  if (!files.metadata) return vectors
  const bad = (what: string) => new WindlassError('corrupt', `${name}: ${what}: is this a folder of Chroma's vector index?`)
  if (files.header.length < headerBytes) throw bad(`header.bin has ${files.header.length} bytes, expected ${headerBytes}`)
  const header = new DataView(files.header.buffer, files.header.byteOffset)
  const size = (offset: number) => Number(header.getBigUint64(offset, true))
  const [count, elementBytes, labelOffset, dataOffset] = [size(20), size(28), size(36), size(44)]
  if (count * elementBytes > files.level0.length || labelOffset + 8 > elementBytes || dataOffset > labelOffset) throw bad(`header.bin tells of ${count} elements of ${elementBytes} bytes, data_level0.bin has ${files.level0.length}`)
  const data = new DataView(files.level0.buffer, files.level0.byteOffset)
  if (isNormalized && files.lengths.length < count * 4) throw bad(`length.bin has ${files.lengths.length} bytes, expected ${count * 4}`)
  const lengths = new DataView(files.lengths.buffer, files.lengths.byteOffset)
  const elements = new Map<number, number>()
  for (let i = 0; i < count; i++) elements.set(Number(data.getBigUint64(i * elementBytes + labelOffset, true)), i)
  const metadata = readPickle(files.metadata, name)
  const labels = metadata instanceof Map ? metadata.get('id_to_label') : null
  if (!(labels instanceof Map)) throw bad('index_metadata.pickle has no id_to_label')
  for (const [id, label] of labels) {
    const element = elements.get(Number(label))
    if (element === undefined) continue
    const length = isNormalized ? lengths.getFloat32(element * 4, true) : 1
    const vector = new Float32Array((labelOffset - dataOffset) / 4)
    for (let i = 0; i < vector.length; i++) vector[i] = data.getFloat32(element * elementBytes + dataOffset + i * 4, true) * length
    vectors.set(String(id), vector)
  }
  return vectors
}
