import { utf8Length } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import type { ByteRange } from './object-store.ts'

// What S3 takes.
const keyBytesMax = 1024

/** @throws {WindlassError} `invalid` unless `key` is one that every store can hold. */
export function checkObjectKey(key: string): void {
  const problem = problemOfKey(key)
  if (problem) throw new WindlassError('invalid', `object key ${JSON.stringify(key.slice(0, 100))} ${problem}`, { key })
}

/** Why no key can be so, if it cannot. */
export function problemOfKey(key: string): string | null {
  const size = utf8Length(key)
  if (size === 0) return 'is empty'
  if (size > keyBytesMax) return `has ${size} bytes, at most ${keyBytesMax}`
  if (/(^|\/)\.{0,2}(\/|$)/.test(key)) return 'has an empty, . or .. part'
  // S3 lists in XML, which cannot carry these: control characters, non-characters, halves of surrogate pairs.
  if (/[\u0000-\u001F\u007F\uFFFE\uFFFF\uD800-\uDFFF]/u.test(key)) return 'has a character that XML cannot carry'
  return null
}

/** @throws {WindlassError} `invalid` unless `range` counts bytes, and does not end before it starts. */
export function checkRange(range: ByteRange | undefined): void {
  if (!range) return
  const [start, end] = 'suffix' in range ? [0, range.suffix] : [range.start, range.end]
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end) return
  throw new WindlassError('invalid', `byte range ${JSON.stringify(range)} is not of the form 0 <= start <= end`, {
    path: 'range',
  })
}

/** A range as [start, end) within an object of `size` bytes; the whole object where there is none. */
export function cutRange(range: ByteRange | undefined, size: number): [number, number] {
  if (!range) return [0, size]
  if ('suffix' in range) return [Math.max(0, size - range.suffix), size]
  return [Math.min(range.start, size), Math.min(Math.max(range.start, range.end), size)]
}
