import { utf8Length } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import type { ByteRange } from './object-store.ts'

/** @throws {WindlassError} `invalid` unless `key` is one that every store can hold. */
export function checkObjectKey(key: string): void {
  const size = utf8Length(key)
  const problem =
    size === 0 ? 'is empty' : size > 1024 ? `has ${size} bytes, at most 1024` : key.includes('\0') ? 'holds a zero byte' : key.split('/').some((part) => part === '' || part === '.' || part === '..') ? 'has an empty, . or .. part' : null
  if (problem) throw new WindlassError('invalid', `object key ${JSON.stringify(key.slice(0, 100))} ${problem}`, { key })
}

/** A range as [start, end) within an object of `size` bytes; the whole object where there is none. */
export function cutRange(range: ByteRange | undefined, size: number): [number, number] {
  if (!range) return [0, size]
  if ('suffix' in range) return [Math.max(0, size - range.suffix), size]
  return [Math.min(range.start, size), Math.min(Math.max(range.start, range.end), size)]
}
