import { parse as parseLossless, stringify as stringifyLossless } from 'lossless-json'
import { messageOf, WindlassError } from '../base/errors.ts'

// Only integers this long lose digits that matter; the many digits of a fraction are those of a double.
const longNumber = /(?<![\d.])\d{16}/

/**
 * Parses JSON; integers beyond 2^53 become bigint instead of losing digits.
 * @throws {WindlassError} `invalid`, saying where.
 */
export function parseJsonText(text: string, what = 'the body'): unknown {
  try {
    return longNumber.test(text) ? parseLossless(text, null, toNumber) : JSON.parse(text)
  } catch (cause) {
    throw new WindlassError('invalid', `${what} is not JSON: ${messageOf(cause)}`, { path: what === 'the body' ? 'body' : what, cause })
  }
}

function toNumber(digits: string): number | bigint {
  const number = Number(digits)
  return /^-?\d+$/.test(digits) && !Number.isSafeInteger(number) ? BigInt(digits) : number
}

/** JSON of a value that may hold bigints, which become plain integers, and float32 arrays, which become lists. */
export function toJsonText(value: unknown): string {
  let hasLong = false
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') {
      const number = Number(each)
      if (Number.isSafeInteger(number)) return number
      hasLong = true
      return 0
    }
    return each instanceof Float32Array ? Array.from(each) : each
  })
  if (!hasLong) return text
  return stringifyLossless(value, (_, each: unknown) => (each instanceof Float32Array ? Array.from(each) : each))!
}
