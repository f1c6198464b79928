import picomatch from 'picomatch'
import { isPlainlyNotText } from './skipped-files.ts'

/** Patterns of a source's declaration. */
export interface PathPatterns {
  readonly include?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
}

/** Which paths of a source are wanted. */
export interface PathFilter {
  /** Whether a document is. */
  takes(path: string): boolean
  /** Whether nothing below a folder can be, so that it need not be walked. */
  skipsFolder(path: string): boolean
}

// `strictBrackets` makes an error of what would silently match nothing; paths have slashes everywhere.
const options = { dot: true, strictBrackets: true, nonegate: true, windows: false }

/**
 * Filters by glob patterns (picomatch). A pattern without a slash is a name in any folder, one that begins with a slash starts at the
 * root, and one that matches a folder matches all below it. Without `include`, all is taken but what is plainly no text; `exclude`
 * wins over `include`.
 * @param partsOf What patterns are compared with: the path itself, or several forms of it.
 */
export function pathFilter({ include, exclude }: PathPatterns, { partsOf = (path) => [path] }: { partsOf?: (path: string) => readonly string[] } = {}): PathFilter {
  const isIncluded = include && matcherOf(include)
  const isExcluded = exclude && exclude.length > 0 ? matcherOf(exclude) : () => false
  const any = (path: string, matches: (path: string) => boolean) => partsOf(path).some(matches)
  return {
    takes: (path) => !any(path, isExcluded) && (isIncluded ? any(path, isIncluded) : !isPlainlyNotText(path)),
    skipsFolder: (path) => any(path, isExcluded),
  }
}

function matcherOf(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.flatMap((pattern) => {
    const rooted = rootedPattern(pattern)
    return [picomatch(rooted, options), picomatch(`${rooted}/**`, options)]
  })
  return (path) => matchers.some((matches) => matches(path))
}

function rootedPattern(pattern: string): string {
  const bare = pattern.replace(/^\.?\//, '').replace(/\/$/, '')
  const isName = !pattern.replace(/\/$/, '').includes('/')
  return isName ? `**/${bare}` : bare
}

/** What is wrong with a pattern, to follow it in a message; null when nothing is. */
export function problemOfPattern(pattern: string): string | null {
  if (pattern.startsWith('!')) return 'negates: list it under the other of include and exclude'
  if (pattern.includes('\\') && /\\[\w]/.test(pattern)) return 'has backslashes: paths are written with /'
  if (/(^|\/)\.\.(\/|$)/.test(pattern)) return 'leaves the root: patterns are on paths below it'
  try {
    picomatch.makeRe(rootedPattern(pattern), options)
    return null
  } catch (error) {
    return `is no pattern: ${error instanceof Error ? error.message.replace(/^Missing/, 'missing').replace(/"/g, '`') : String(error)}`
  }
}
