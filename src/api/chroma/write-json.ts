/** A number that is written with a decimal point, so that 1.0 comes back as 1.0. */
export class Float {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A value in which every number is a float: integers are bigint (parse-json.ts, and metadata). */
export function toWritable(value: unknown): unknown {
  if (typeof value === 'number') return new Float(value)
  if (Array.isArray(value)) return value.map(toWritable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toWritable(each)]))
}

// Below this a part is not worth sending by itself.
const partLength = 64 * 1024

/**
 * JSON in parts: an answer with many vectors is longer than one string can be.
 * Numbers are written as they are; bigints as integers; `Float` always with a point or an exponent.
 */
export function* writeJson(value: unknown): Generator<string> {
  let part = ''
  for (const piece of pieces(value)) {
    part += piece
    if (part.length < partLength) continue
    yield part
    part = ''
  }
  if (part !== '') yield part
}

function* pieces(value: unknown): Generator<string> {
  if (Array.isArray(value)) {
    let separator = '['
    for (const each of value) {
      if (isLarge(each)) {
        yield separator
        yield* pieces(each)
      } else yield separator + textOf(each)
      separator = ','
    }
    yield separator === '[' ? '[]' : ']'
  } else if (isLarge(value)) {
    let separator = '{'
    for (const [key, each] of Object.entries(value as object)) {
      if (each === undefined) continue
      yield `${separator}${JSON.stringify(key)}:`
      yield* pieces(each)
      separator = ','
    }
    yield separator === '{' ? '{}' : '}'
  } else yield textOf(value)
}

function isLarge(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Float) && !(value instanceof Float32Array)
}

function textOf(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Float) return floatText(value.value)
  if (value instanceof Float32Array) return `[${value.join(',')}]`
  return JSON.stringify(value ?? null)
}

function floatText(value: number): string {
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}
