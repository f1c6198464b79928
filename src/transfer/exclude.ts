import picomatch from 'picomatch'
import { WindlassError } from '../base/errors.ts'

const options = { dot: true, strictBrackets: true, nonegate: true, windows: false }

/**
 * Which paths are left out: glob patterns (picomatch), one a line, in which `#` begins a comment. A pattern without a slash is a name in
 * any folder, others start at the root; one that matches a folder matches all below it.
 * @throws {WindlassError} `invalid` for what is no pattern: it would silently match nothing.
 */
export function excludes(lines: readonly string[]): (path: string) => boolean {
  const patterns = lines.flatMap((line) => line.split('\n')).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  const matchers = patterns.flatMap((pattern) => {
    const bare = pattern.replace(/^\.?\//, '').replace(/\/$/, '')
    const rooted = pattern.replace(/\/$/, '').includes('/') ? bare : `**/${bare}`
    try {
      return [picomatch(rooted, options), picomatch(`${rooted}/**`, options)]
    } catch (error) {
      throw new WindlassError('invalid', `--exclude ${JSON.stringify(pattern)} is no pattern: ${(error as Error).message}`, { path: 'exclude', cause: error })
    }
  })
  return (path) => matchers.some((matches) => matches(path))
}
