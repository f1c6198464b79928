import { messageOf, WindlassError } from '../../../base/errors.ts'

// The two splitters that pgai names, as LangChain's text splitters define them (github.com/langchain-ai/langchain, MIT, CharacterTextSplitter and
// RecursiveCharacterTextSplitter of langchain-text-splitters 1.1.3), written anew from their behaviour: a fixture that Python made holds the
// two together. Lengths are characters (code points) as Python counts them.

export interface CharacterSplit {
  readonly chunkSize: number
  readonly chunkOverlap: number
  readonly separator: string
  readonly isSeparatorRegex: boolean
}

export interface RecursiveSplit {
  readonly chunkSize: number
  readonly chunkOverlap: number
  /** The first of them that a text contains cuts it; what stays too long is cut by those after it. */
  readonly separators: readonly string[]
  readonly isSeparatorRegex: boolean
}

/** Cuts at one separator and joins the pieces again, with it between them, to chunks of up to `chunkSize`. A longer piece stays whole. */
export function splitByCharacter(text: string, { separator, isSeparatorRegex, ...size }: CharacterSplit): string[] {
  const pieces = cut(text, patternOf(separator, isSeparatorRegex), false)
  // What only looks around consumes nothing, so that nothing was taken out.
  const isLookaround = isSeparatorRegex && ['(?=', '(?<!', '(?<=', '(?!'].some((prefix) => separator.startsWith(prefix))
  return joinPieces(pieces, isLookaround ? '' : separator, size)
}

/** Cuts at the strongest separator that there is, and again what is too long, down to single characters; a separator stays before what follows it. */
export function splitRecursively(text: string, { separators, isSeparatorRegex, ...size }: RecursiveSplit): string[] {
  let at = separators.findIndex((separator) => separator === '' || patternOf(separator, isSeparatorRegex)!.test(text))
  // None is in it: the last one is taken, and cuts nothing.
  const weaker = at < 0 || separators[at] === '' ? [] : separators.slice(at + 1)
  if (at < 0) at = separators.length - 1
  const pieces = cut(text, patternOf(separators[at] ?? '', isSeparatorRegex), true)
  const chunks: string[] = []
  let fitting: string[] = []
  const join = () => {
    if (fitting.length > 0) chunks.push(...joinPieces(fitting, '', size))
    fitting = []
  }
  for (const piece of pieces) {
    if (lengthOf(piece) < size.chunkSize) {
      fitting.push(piece)
      continue
    }
    join()
    if (weaker.length === 0) chunks.push(piece)
    else chunks.push(...splitRecursively(piece, { separators: weaker, isSeparatorRegex, ...size }))
  }
  join()
  return chunks
}

/** Null for an empty separator, which cuts between all characters. */
function patternOf(separator: string, isRegex: boolean): RegExp | null {
  if (separator === '') return null
  return new RegExp(isRegex ? ofPython(separator) : separator.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'u')
}

/** What \s, \d, \w, a dot and a dollar sign mean in Python is not what they mean here, and a needless backslash is no error there. */
function ofPython(pattern: string): string {
  let isInClass = false
  const translated = pattern.replace(/\\(.)|\(\?P<|[[\].$]/gsu, (token: string, escaped: string | undefined) => {
    if (escaped === undefined) {
      if (token === '(?P<') return '(?<'
      if (token === '.' || token === '$') return isInClass ? token : token === '.' ? '[^\\n]' : '(?=\\n?$)'
      isInClass = token === '['
      return token
    }
    const meaning = classes[escaped]
    if (meaning !== undefined) return isInClass ? meaning : `[${meaning}]`
    const negated = isInClass ? undefined : classes[escaped.toLowerCase()]
    if (negated !== undefined && 'SDW'.includes(escaped)) return `[^${negated}]`
    if (/[\p{L}\p{N}]/u.test(escaped)) return token
    return '.*+?^${}()|[]\\/'.includes(escaped) || (isInClass && escaped === '-') ? token : escaped
  })
  try {
    new RegExp(translated, 'u')
    return translated
  } catch (cause) {
    throw new WindlassError('invalid', `separator ${JSON.stringify(pattern)} is no regular expression that we can read: ${messageOf(cause)}`, { path: 'chunking.separator', cause })
  }
}

function cut(text: string, pattern: RegExp | null, keepsSeparator: boolean): string[] {
  if (!pattern) return [...text]
  if (!keepsSeparator) return text.split(pattern).filter((piece) => piece)
  const parts = text.split(new RegExp(`(${pattern.source})`, 'u'))
  const pieces = [parts[0]!]
  for (let i = 1; i < parts.length; i += 2) pieces.push((parts[i] ?? '') + (parts[i + 1] ?? ''))
  // With groups in the separator there is an even number of parts, and the last one is on its own.
  if (parts.length % 2 === 0) pieces.push(parts.at(-1) ?? '')
  return pieces.filter((piece) => piece !== '')
}

/** Fills chunks up to their size; each begins with as many of the last pieces of the one before it as the overlap holds. */
function joinPieces(pieces: readonly string[], separator: string, { chunkSize, chunkOverlap }: { chunkSize: number; chunkOverlap: number }): string[] {
  const gap = lengthOf(separator)
  const chunks: string[] = []
  const flush = () => {
    const text = stripWhitespace(open.map(({ piece }) => piece).join(separator))
    if (text !== '') chunks.push(text)
  }
  let open: { piece: string; length: number }[] = []
  let total = 0
  for (const piece of pieces) {
    const length = lengthOf(piece)
    const overflows = () => total + length + (open.length > 0 ? gap : 0) > chunkSize
    if (overflows() && open.length > 0) {
      flush()
      let dropped = 0
      while (total > chunkOverlap || (total > 0 && total + length + (open.length > dropped ? gap : 0) > chunkSize)) {
        total -= open[dropped]!.length + (open.length - dropped > 1 ? gap : 0)
        dropped++
      }
      open = open.slice(dropped)
    }
    open.push({ piece, length })
    total += length + (open.length > 1 ? gap : 0)
  }
  flush()
  return chunks
}

function lengthOf(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length--
      i++
    }
  }
  return length
}

// What Python's str.strip takes away: other than in JavaScript, the four separators of ASCII and U+0085 too, and U+FEFF not.
const blanks = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const leading = new RegExp(`^[${blanks}]+`)
const isBlank = new RegExp(`[${blanks}]`)
const classes: Readonly<Record<string, string>> = { s: blanks, d: '\\p{Nd}', w: '\\p{L}\\p{N}_' }

function stripWhitespace(text: string): string {
  // Not a pattern at the end: that would be tried at every run of blanks.
  let end = text.length
  while (end > 0 && isBlank.test(text[end - 1]!)) end--
  return text.slice(0, end).replace(leading, '')
}
