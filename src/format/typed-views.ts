/** Whether typed arrays, which have the platform's byte order, have that of the format. */
export const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Writes float32 values at a byte offset, little-endian. */
export function writeF32(target: Uint8Array, offset: number, values: Float32Array): void {
  if (isLittleEndian) {
    target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset)
    return
  }
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength)
  values.forEach((value, i) => view.setFloat32(offset + i * 4, value, true))
}

/** Little-endian float32 values at a byte offset: a view where aligned, else a copy. */
export function viewF32(bytes: Uint8Array, offset: number, count: number): Float32Array<ArrayBuffer> {
  return view(bytes, offset, count, 4, (buffer, start) => new Float32Array(buffer, start, count), 'getFloat32')
}

/** Little-endian float64 values at a byte offset: a view where aligned, else a copy. */
export function viewF64(bytes: Uint8Array, offset: number, count: number): Float64Array<ArrayBuffer> {
  return view(bytes, offset, count, 8, (buffer, start) => new Float64Array(buffer, start, count), 'getFloat64')
}

/** Little-endian unsigned 32-bit integers at a byte offset: a view where aligned, else a copy. */
export function viewU32(bytes: Uint8Array, offset: number, count: number): Uint32Array<ArrayBuffer> {
  return view(bytes, offset, count, 4, (buffer, start) => new Uint32Array(buffer, start, count), 'getUint32')
}

function view<Values extends { [index: number]: number }>(
  bytes: Uint8Array,
  offset: number,
  count: number,
  size: number,
  construct: (buffer: ArrayBuffer, start: number) => Values,
  getter: 'getFloat32' | 'getFloat64' | 'getUint32',
): Values {
  const start = bytes.byteOffset + offset
  const { buffer } = bytes
  if (isLittleEndian && start % size === 0 && buffer instanceof ArrayBuffer) return construct(buffer, start)
  const copy = bytes.slice(offset, offset + count * size)
  const values = construct(copy.buffer, 0)
  if (isLittleEndian) return values
  const source = new DataView(copy.buffer)
  for (let i = 0; i < count; i++) values[i] = source[getter](i * size, true)
  return values
}
