import { compareUtf8 } from '../../base/bytes.ts'

/** What a filter compares with. Numbers and bigints (int64) compare by their exact value. */
export type Scalar = string | number | bigint | boolean

/** Whether filters can compare `value`; null, lists and objects only exist. */
export function isScalar(value: unknown): value is Scalar {
  return (
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  )
}

/** Below, at or above zero; null when the types do not compare. Strings go by their UTF-8 bytes, false before true. */
export function compareScalars(a: Scalar, b: Scalar): number | null {
  if (typeof a === 'string') return typeof b === 'string' ? compareUtf8(a, b) : null
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : null
  if (typeof b === 'string' || typeof b === 'boolean') return null
  // JavaScript compares a bigint with a number by exact value, also beyond 2^53.
  return a < b ? -1 : a > b ? 1 : 0
}

/** One form for equal values: an integer that a float64 holds exactly is a number, whatever it was stored as. */
export function canonicalScalar(value: Scalar): Scalar {
  if (typeof value !== 'bigint') return value
  const float = Number(value)
  return BigInt(float) === value ? float : value
}
