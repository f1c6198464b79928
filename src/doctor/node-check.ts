import { ok, problem, warning, type Check } from './check.ts'

const least = [20, 19] as const

/** The version of Node. */
export const nodeCheck: Check = {
  name: 'node',
  applies: () => true,
  async run({ nodeVersion }) {
    const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
    if (major < least[0] || (major === least[0] && minor < least[1])) {
      return [problem(`Node ${nodeVersion} is too old: ${least.join('.')} or later is needed`, { mend: 'nvm install 22   # or from https://nodejs.org' })]
    }
    // Odd ones get no repairs after half a year.
    if (major % 2 === 1) return [warning(`Node ${nodeVersion} is of a line that ends after half a year`, { mend: 'nvm install 22' })]
    return [ok(`Node ${nodeVersion}`)]
  },
}
