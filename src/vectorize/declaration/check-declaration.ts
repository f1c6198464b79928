import { WindlassError } from '../../base/errors.ts'
import { findContradictions, type Problem } from './contradictions.ts'
import { declarationSchema, type Declaration, type VectorizerDeclaration, type VectorizerInput } from './declaration.ts'
import { pathText, problemsOfIssues } from './problems.ts'

// More would scroll the first away, which often caused the others.
const problemsMax = 20

/** Where in a text something is: for people (`windlass.yaml:12:5`), and to sort by. */
export interface Place {
  readonly text: string
  readonly offset: number
}

/**
 * Checks a whole declaration, whatever it was read from, and fills in its defaults.
 * @param locate Where a problem is.
 * @throws {WindlassError} `invalid` with everything that is wrong, a line each, up to 20; secrets are not shown.
 */
export function checkDeclaration(data: unknown, locate: (problem: Problem) => Place): Declaration {
  const checked = declarationSchema.safeParse(data)
  const problems = [...(checked.error ? problemsOfIssues(checked.error.issues, data) : []), ...findContradictions(data)]
  if (checked.success && problems.length === 0) return checked.data
  throw problemsError(problems.map((problem) => ({ ...problem, place: locate(problem) })))
}

/**
 * Checks one vectorizer that a program declares, and fills in its defaults.
 * @throws {WindlassError} `invalid` with everything that is wrong, a line each.
 */
export function checkVectorizer(vectorizer: VectorizerInput): VectorizerDeclaration {
  return checkDeclaration({ version: 1, vectorizers: [vectorizer] }, () => ({ text: 'vectorizer', offset: 0 })).vectorizers[0]!
}

/** One error of all problems, in the order of the text. The place of a key that should not be there is the key's. */
export function problemsError(problems: readonly (Problem & { place: Place })[]): WindlassError {
  const sorted = [...problems].sort((a, b) => a.place.offset - b.place.offset)
  const lines = sorted.slice(0, problemsMax).map(({ place, path, key, message }) => {
    const at = pathText(key === undefined ? path : [...path, key])
    return `${place.text}: ${at === '' ? '' : `${at}: `}${message}`
  })
  if (problems.length > problemsMax) lines.push(`and ${problems.length - problemsMax} more`)
  const [first] = sorted
  return new WindlassError('invalid', lines.join('\n'), first ? { path: pathText(first.path) } : {})
}
