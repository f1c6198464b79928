/** Characters after which an atom need not occur once exactly. */
const optional = /^(?:[*?]|\{0)/

/**
 * Literals that every text matched by `pattern` contains. Reads only what it understands, and knows none otherwise: alternatives,
 * groups, flags and classes end a literal or, where they change what comes after, the search.
 */
export function literalsOf(pattern: string): string[] {
  // A flag may make case irrelevant, and \Q quotes change what a character means.
  if (pattern.includes('|') || pattern.includes('(?') || pattern.includes('\\Q')) return []
  const literals: string[] = []
  let literal = ''
  let depth = 0
  const end = () => {
    if (literal !== '') literals.push(literal)
    literal = ''
  }
  for (let at = 0; at < pattern.length; ) {
    const char = String.fromCodePoint(pattern.codePointAt(at)!)
    const next = at + char.length
    if (char === '[') {
      end()
      at = endOfClass(pattern, next)
    } else if (char === '\\') {
      const escaped = pattern[next] ?? ''
      if (/[^A-Za-z0-9]/.test(escaped) && depth === 0 && escaped !== '' && !optional.test(pattern.slice(next + 1))) literal += escaped
      else end()
      at = next + escaped.length
      // \p{Greek}, \x{10FFFF}, \x41, \pN and octals: what follows belongs to the escape.
      if (/[pPxu0-9]/.test(escaped)) return literals
    } else if ('()^$.*+?{}'.includes(char)) {
      end()
      if (char === '(') depth++
      else if (char === ')') depth--
      else if (char === '{') at = pattern.indexOf('}', at)
      if (at < 0) return literals
      at += 1
    } else {
      // A literal that is repeated occurs once at least, unless it is optional.
      if (depth === 0 && !optional.test(pattern.slice(next))) literal += char
      else end()
      at = next
      // "ab+" has "ab", and what follows the plus starts anew, which the next turn sees to.
    }
  }
  end()
  return literals
}

/** After the bracket that ends a class. A bracket right after the opening, or after ^, is a member. */
function endOfClass(pattern: string, start: number): number {
  let at = start
  if (pattern[at] === '^') at++
  if (pattern[at] === ']') at++
  for (; at < pattern.length && pattern[at] !== ']'; at++) {
    if (pattern[at] === '\\') at++
    else if (pattern[at] === '[' && pattern[at + 1] === ':') at = Math.max(at, pattern.indexOf(':]', at) + 1)
  }
  return at + 1
}
