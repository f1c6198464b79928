import { WindlassError } from '../base/errors.ts'

/** One value of a larger text, still as text. */
export interface JsonPart {
  /** Of a member of an object. */
  readonly name?: string
  readonly text: string
}

/** What is cut into its values: the elements of an array, the members of an object, or of either one that is a member `path` of the top object. */
export interface SplitOptions {
  readonly path?: string
  /** Characters of one value. */
  readonly partMax?: number
}

const partMaxDefault = 64 * 1024 * 1024
const space = /\s/

/**
 * Cuts a JSON array or object into its values without holding more than one of them, however long it is.
 * @throws {WindlassError} `invalid` where the text ends early or is no JSON array or object; values before that have been given.
 */
export async function* splitJson(texts: AsyncIterable<string>, { path, partMax = partMaxDefault }: SplitOptions = {}): AsyncGenerator<JsonPart> {
  const scanner = new Scanner(path, partMax)
  for await (const text of texts) {
    yield* scanner.take(text)
    if (scanner.isDone) return
  }
  throw invalid('the JSON ends before its last bracket')
}

/** Cuts text into lines that are not empty. A line that is longer than `partMax` ends it. */
export async function* splitLines(texts: AsyncIterable<string>, { partMax = partMaxDefault }: { partMax?: number } = {}): AsyncGenerator<string> {
  let rest = ''
  for await (const text of texts) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    if (rest.length > partMax) throw invalid(`a line has more than ${partMax} characters`)
    for (const line of lines) if (line.trim() !== '') yield line
  }
  if (rest.trim() !== '') yield rest
}

/** Follows brackets and strings, and keeps what lies at one depth. The values themselves are for JSON.parse. */
class Scanner {
  isDone = false
  readonly #path: string | undefined
  readonly #partMax: number
  /** Of what is cut: 1 for the top, 2 for a member of it. */
  readonly #depthWanted: number
  #depth = 0
  #isInString = false
  #isEscaped = false
  /** Whether the container at `#depthWanted` that is being read is the one that is wanted. */
  #isInside = false
  #isObject = false
  /** The member name at depth 1 that was read last, while looking for `path`. */
  #outerName: string | null = null
  #name: string | null = null
  #part = ''

  constructor(path: string | undefined, partMax: number) {
    this.#path = path
    this.#partMax = partMax
    this.#depthWanted = path === undefined ? 1 : 2
  }

  *take(text: string): Generator<JsonPart> {
    let start = 0
    for (let i = 0; i < text.length; i++) {
      const char = text[i]!
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (char === '\\') this.#isEscaped = true
        else if (char === '"') this.#isInString = false
        continue
      }
      if (char === '"') this.#isInString = true
      else if (char === '[' || char === '{') {
        this.#depth++
        if (this.#depth === this.#depthWanted && (this.#path === undefined || this.#outerName === this.#path)) {
          this.#isInside = true
          this.#isObject = char === '{'
          start = i + 1
          this.#part = ''
        } else if (this.#depth === 1) {
          if (char === '[') throw invalid(`the top is an array, expected an object with a member ${JSON.stringify(this.#path)}`)
          start = i + 1
          this.#part = ''
        }
      } else if (char === ']' || char === '}') {
        this.#depth--
        if (this.#isInside && this.#depth === this.#depthWanted - 1) {
          yield* this.#give(text.slice(start, i))
          this.isDone = true
          return
        }
        if (this.#depth <= 0) throw invalid(this.#path === undefined ? 'a bracket closes that was not opened' : `there is no member ${JSON.stringify(this.#path)}`)
      } else if (char === ',' && this.#isInside && this.#depth === this.#depthWanted) {
        yield* this.#give(text.slice(start, i))
        start = i + 1
      } else if (char === ':' && this.#isInside && this.#isObject && this.#depth === this.#depthWanted && this.#name === null) {
        this.#name = parseName(this.#part + text.slice(start, i))
        this.#part = ''
        start = i + 1
      } else if (!this.#isInside && this.#depth === 1 && (char === ',' || char === ':')) {
        this.#outerName = char === ':' ? parseName(this.#part + text.slice(start, i)) : null
        this.#part = ''
        start = i + 1
      } else if (this.#depth === 0 && !space.test(char)) throw invalid(`the text begins with ${JSON.stringify(char)}, expected [ or {`)
    }
    // What lies in members that nobody wants is not kept.
    if (this.#isInside || this.#depth === 1) this.#part += text.slice(start)
    if (this.#part.length > this.#partMax) throw invalid(`a value has more than ${this.#partMax} characters`)
  }

  *#give(end: string): Generator<JsonPart> {
    const text = this.#part + end
    const name = this.#name
    this.#part = ''
    this.#name = null
    if (text.trim() !== '') yield { text, ...(name !== null && { name }) }
  }
}

function parseName(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch (cause) {
    throw new WindlassError('invalid', `${JSON.stringify(text.slice(0, 40))} is no name of a member`, { cause })
  }
}

function invalid(message: string): WindlassError {
  return new WindlassError('invalid', message)
}
