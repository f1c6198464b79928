/** A request body without the numbers of its vectors, and the vectors. */
export interface Lifted {
  /** JSON as before, with a mark in place of each list that was lifted. */
  readonly rest: Uint8Array
  readonly vectors: readonly Float32Array[]
}

const member = Buffer.from('"float32"')
const holders = [Buffer.from('"data"'), Buffer.from('"queryVector"')]
const [tab, newline, carriageReturn, space, plus, comma, minus, point] = [0x09, 0x0a, 0x0d, 0x20, 0x2b, 0x2c, 0x2d, 0x2e]
const [zero, nine, colon, bigE, bracketOpen, backslash, bracketClose, smallE, braceOpen] = [0x30, 0x39, 0x3a, 0x45, 0x5b, 0x5c, 0x5d, 0x65, 0x7b]

/**
 * Reads the lists of numbers at `"data": {"float32": [` and `"queryVector": {"float32": [` straight from the bytes into float32: they
 * are nearly all of a body, and a JSON parser would make a double of each, in a list of doubles, to be read once.
 *
 * Each becomes what `Math.fround(Number(text))` is, bit for bit. A list with anything in it that is not a number by the grammar of JSON is
 * left where it is, for the parser to judge; so is what cannot be a member of that name.
 * @param mark What stands for a list in the rest, followed by its position: text that no caller can know.
 */
export function liftVectors(body: Buffer, mark: string): Lifted {
  const vectors: Float32Array[] = []
  const parts: Uint8Array[] = []
  const reader = new FloatReader(body)
  let copied = 0
  for (let at = body.indexOf(member); at >= 0; at = body.indexOf(member, at + member.length)) {
    if (!isHeld(body, at)) continue
    const start = skipColon(body, at + member.length)
    const vector = start < 0 ? null : reader.readList(start)
    if (!vector) continue
    parts.push(body.subarray(copied, start), Buffer.from(JSON.stringify(mark + vectors.length)))
    vectors.push(vector)
    copied = reader.end
    at = copied - member.length
  }
  if (vectors.length === 0) return { rest: body, vectors }
  parts.push(body.subarray(copied))
  return { rest: Buffer.concat(parts), vectors }
}

/** Puts the lifted vectors of a parsed request where their marks are. */
export function lowerVectors(input: unknown, vectors: readonly Float32Array[], mark: string): void {
  const lower = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null) return
    const { float32 } = holder as { float32?: unknown }
    if (typeof float32 === 'string' && float32.startsWith(mark)) Object.assign(holder, { float32: vectors[Number(float32.slice(mark.length))] })
  }
  if (typeof input !== 'object' || input === null) return
  const { vectors: records, queryVector } = input as { vectors?: unknown; queryVector?: unknown }
  lower(queryVector)
  if (Array.isArray(records)) for (const record of records as unknown[]) lower((record as { data?: unknown } | null)?.data)
}

/** Whether the member at `at` is the first of an object that is called as a vector is. */
function isHeld(body: Buffer, at: number): boolean {
  const brace = skipBack(body, at - 1)
  if (body[brace] !== braceOpen) return false
  const mid = skipBack(body, brace - 1)
  if (body[mid] !== colon) return false
  const end = skipBack(body, mid - 1) + 1
  return holders.some((holder) => {
    const start = end - holder.length
    // An escaped quote would make it the tail of a longer name.
    return start > 0 && body.compare(holder, 0, holder.length, start, end) === 0 && body[start - 1] !== backslash
  })
}

function isSpace(byte: number | undefined): boolean {
  return byte === space || byte === newline || byte === carriageReturn || byte === tab
}

function skipBack(body: Uint8Array, at: number): number {
  while (at >= 0 && isSpace(body[at])) at--
  return at
}

/** Where the value begins, or -1. */
function skipColon(body: Uint8Array, at: number): number {
  while (isSpace(body[at])) at++
  if (body[at] !== colon) return -1
  at++
  while (isSpace(body[at])) at++
  return at
}

const powersMax = 60
const powers = Float64Array.from({ length: powersMax + 1 }, (_, exponent) => Number(`1e${exponent}`))
/** Significant digits that are read; the rest is below the error that is allowed for anyway. */
const digitsMax = 17
/** Below it float32 has fewer bits, and the test for a tie does not hold. */
const normalMin = 2 ** -126

class FloatReader {
  /** Behind the last list read. */
  end = 0
  readonly #body: Buffer
  #scratch = new Float32Array(1024)
  readonly #double = new Float64Array(1)
  readonly #words = new Uint32Array(this.#double.buffer)

  constructor(body: Buffer) {
    this.#body = body
  }

  /** The list that begins at `at`; null when it is no list of numbers and nothing else. */
  readList(at: number): Float32Array | null {
    const body = this.#body
    if (body[at] !== bracketOpen) return null
    let scratch = this.#scratch
    let count = 0
    for (let i = at + 1; ; ) {
      while (isSpace(body[i])) i++
      if (count === scratch.length) this.#scratch = scratch = grown(scratch)
      i = this.#readNumber(i, scratch, count)
      if (i < 0) return null
      count++
      while (isSpace(body[i])) i++
      const byte = body[i++]
      if (byte === comma) continue
      if (byte !== bracketClose) return null
      this.end = i
      return scratch.slice(0, count)
    }
  }

  /**
   * Clinger 1990, "How to read floating point numbers accurately": a short decimal is its digits times or over a power of ten. Here with a
   * few units of error in the 53rd bit, which float32 does not have: only next to the middle of two float32 do they matter, and there the
   * number is read exactly.
   * @returns where the number ends, or -1.
   */
  #readNumber(start: number, out: Float32Array, place: number): number {
    const body = this.#body
    let i = start
    const isNegative = body[i] === minus
    if (isNegative) i++
    let mantissa = 0
    let digits = 0
    let exponent = 0
    let byte = body[i]!
    if (!(byte >= zero && byte <= nine)) return -1
    const startsWithZero = byte === zero
    for (const first = i; byte >= zero && byte <= nine; byte = body[++i]!) {
      if (startsWithZero && i > first) return -1
      if (digits < digitsMax) {
        mantissa = mantissa * 10 + (byte - zero)
        if (mantissa !== 0) digits++
      } else exponent++
    }
    if (byte === point) {
      byte = body[++i]!
      if (!(byte >= zero && byte <= nine)) return -1
      for (; byte >= zero && byte <= nine; byte = body[++i]!) {
        if (digits >= digitsMax) continue
        mantissa = mantissa * 10 + (byte - zero)
        if (mantissa !== 0) digits++
        exponent--
      }
    }
    if (byte === smallE || byte === bigE) {
      byte = body[++i]!
      const isSmall = byte === minus
      if (isSmall || byte === plus) byte = body[++i]!
      if (!(byte >= zero && byte <= nine)) return -1
      let given = 0
      for (; byte >= zero && byte <= nine; byte = body[++i]!) given = Math.min(given * 10 + (byte - zero), 1e6)
      exponent += isSmall ? -given : given
    }
    out[place] = this.#toFloat(mantissa, exponent, isNegative, start, i)
    return i
  }

  #toFloat(mantissa: number, exponent: number, isNegative: boolean, start: number, end: number): number {
    if (mantissa === 0) return isNegative ? -0 : 0
    if (exponent < -powersMax || exponent > powersMax) return this.#readExactly(start, end)
    const value = exponent < 0 ? mantissa / powers[-exponent]! : mantissa * powers[exponent]!
    this.#double[0] = value
    // A float32 keeps 23 of 52 bits: of the 29 that go, the middle is 2^28. Words are little-endian wherever Node runs.
    const distance = (this.#words[0]! & 0x1fffffff) - 0x10000000
    if (value < normalMin || (distance < 64 && distance > -64)) return this.#readExactly(start, end)
    return isNegative ? -value : value
  }

  #readExactly(start: number, end: number): number {
    return Number(this.#body.toString('latin1', start, end))
  }
}

function grown(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const larger = new Float32Array(values.length * 2)
  larger.set(values)
  return larger
}
