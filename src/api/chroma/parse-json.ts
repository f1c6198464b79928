import { isInt64 } from '../../format/varint.ts'
import { ChromaError } from './errors.ts'

/** As parsed: integers are bigint, other numbers are number, so that 1 and 1.0 stay distinct as Chroma keeps them. */
export type Json = string | number | bigint | boolean | null | Json[] | { [key: string]: Json }

const depthMax = 64
/** Under these keys every number is a number: they hold vectors, which are large, and have no integers. */
const vectorKeys = new Set(['embeddings', 'query_embeddings'])
const numberPattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const quote = 0x22
const halfPair = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

/**
 * Parses a JSON body (RFC 8259) without losing which numbers are integers.
 * @throws {ChromaError} 400, saying where.
 */
export function parseJson(text: string): Json {
  return new Parser(text).parse()
}

class Parser {
  readonly #text: string
  #at = 0
  /** The next backslash at or after the place last asked about: most strings have none, and need no look at each character. */
  #backslash = -1

  constructor(text: string) {
    this.#text = text
  }

  parse(): Json {
    this.#space()
    if (this.#at >= this.#text.length) throw this.#fail('EOF while parsing a value')
    const value = this.#value(0, false)
    this.#space()
    if (this.#at < this.#text.length) throw this.#fail('trailing characters')
    return value
  }

  #value(depth: number, inVector: boolean): Json {
    if (depth > depthMax) throw this.#fail('recursion limit exceeded')
    const code = this.#text.charCodeAt(this.#at)
    if (code === quote) return this.#string()
    if (code === 0x7b) return this.#object(depth)
    if (code === 0x5b) return this.#array(depth, inVector)
    if (code === 0x74) return this.#word('true', true)
    if (code === 0x66) return this.#word('false', false)
    if (code === 0x6e) return this.#word('null', null)
    return this.#number(inVector)
  }

  #object(depth: number): Json {
    const object: { [key: string]: Json } = {}
    this.#at++
    this.#space()
    if (this.#take(0x7d)) return object
    for (;;) {
      if (this.#text.charCodeAt(this.#at) !== quote) throw this.#fail('key must be a string')
      const key = this.#string()
      this.#space()
      if (!this.#take(0x3a)) throw this.#fail('expected `:`')
      this.#space()
      const value = this.#value(depth + 1, depth === 0 && vectorKeys.has(key))
      // Plain assignment to this one name would set the prototype.
      if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      else object[key] = value
      this.#space()
      if (this.#take(0x7d)) return object
      if (!this.#take(0x2c)) throw this.#fail('expected `,` or `}`')
      this.#space()
    }
  }

  #array(depth: number, inVector: boolean): Json {
    const list: Json[] = (inVector && this.#numbers()) || []
    if (list.length > 0) return list
    this.#at++
    this.#space()
    if (this.#take(0x5d)) return list
    for (;;) {
      list.push(this.#value(depth + 1, inVector))
      this.#space()
      if (this.#take(0x5d)) return list
      if (!this.#take(0x2c)) throw this.#fail('expected `,` or `]`')
      this.#space()
    }
  }

  /** A list of nothing but numbers, which the platform parses many times faster; null for any other. */
  #numbers(): number[] | null {
    const end = this.#text.indexOf(']', this.#at)
    if (end < 0) return null
    const text = this.#text.slice(this.#at, end + 1)
    if (!/^\[[-+.eE\d,\s]+\]$/.test(text)) return null
    let list: number[]
    try {
      list = JSON.parse(text) as number[]
    } catch {
      return null
    }
    // What is no number in the end is told by the slow way, with its place.
    if (!list.every(Number.isFinite)) return null
    this.#at = end + 1
    return list
  }

  #string(): string {
    const start = this.#at + 1
    let end = this.#text.indexOf('"', start)
    if (this.#backslash < start && this.#backslash !== Infinity) {
      const next = this.#text.indexOf('\\', start)
      this.#backslash = next < 0 ? Infinity : next
    }
    if (end >= 0 && end < this.#backslash) {
      this.#at = end + 1
      return this.#text.slice(start, end)
    }
    end = start
    for (; end < this.#text.length; end++) {
      const code = this.#text.charCodeAt(end)
      if (code === quote) break
      if (code === 0x5c) end++
    }
    if (end >= this.#text.length) throw this.#fail('EOF while parsing a string')
    this.#at = end + 1
    let parsed: string
    try {
      parsed = JSON.parse(this.#text.slice(start - 1, end + 1)) as string
    } catch {
      throw this.#fail('invalid escape')
    }
    if (halfPair.test(parsed)) throw this.#fail('lone surrogate in a string')
    return parsed
  }

  #number(inVector: boolean): number | bigint {
    numberPattern.lastIndex = this.#at
    const match = numberPattern.exec(this.#text)
    if (!match) throw this.#fail(this.#at >= this.#text.length ? 'EOF while parsing a value' : 'expected value')
    this.#at = numberPattern.lastIndex
    const isInteger = match[1] === undefined && match[2] === undefined
    if (isInteger && !inVector) {
      const integer = BigInt(match[0])
      if (isInt64(integer)) return integer
    }
    const number = Number(match[0])
    if (!Number.isFinite(number)) throw this.#fail('number out of range')
    return number === 0 ? 0 : number
  }

  #word<Value extends Json>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fail('expected value')
    this.#at += word.length
    return value
  }

  #take(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #fail(what: string): ChromaError {
    return new ChromaError(400, 'InvalidArgumentError', `Failed to parse the request body as JSON: ${what} at character ${this.#at}`)
  }
}
