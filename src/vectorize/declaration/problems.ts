import type { z } from 'zod'
import { closest } from './closest.ts'
import type { Problem } from './contradictions.ts'
import { keysAt } from './json-schema.ts'
import { looksLikeSecret } from './secrets.ts'

type Issue = z.core.$ZodIssue

const kindsOfValues: Readonly<Record<string, string>> = { string: 'a text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'a mapping', record: 'a mapping' }

/** What a schema found, as expected and found, with a guess at what was meant. `data` is what was checked. */
export function problemsOfIssues(issues: readonly Issue[], data: unknown): Problem[] {
  return issues.flatMap((issue) => problemsOf(issue, data))
}

function problemsOf(issue: Issue, data: unknown): Problem[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path, key, message: unknownKey(key, path, data) }))
  const value = valueAt(data, path)
  const expected = expectedBy(issue, path, data)
  // A secret is told of by itself, once.
  if (typeof value === 'string' && looksLikeSecret(value)) return []
  return [{ path, message: `expected ${expected}, found ${described(value, path)}${suggestion(value, issue)}` }]
}

function unknownKey(key: string, path: readonly PropertyKey[], data: unknown): string {
  const known = keysAt(path, data)
  const meant = closest(key, known)
  if (meant !== null) return `unknown key: did you mean ${meant}?`
  return known.length === 0 ? 'unknown key' : `unknown key: known here are ${known.join(', ')}`
}

function expectedBy(issue: Issue, path: readonly PropertyKey[], data: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return kindsOfValues[issue.expected] ?? issue.expected
    case 'invalid_format':
      return issue.message
    case 'too_small':
      if (issue.origin === 'string') return 'a text that is not empty'
      if (issue.origin === 'array') return `at least ${issue.minimum} of them`
      return issue.inclusive === false ? `more than ${issue.minimum}` : `at least ${issue.minimum}`
    case 'too_big':
      return `at most ${issue.maximum}`
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ')
    case 'invalid_union':
      return choicesOf(issue, path, data)
    default:
      return issue.message
  }
}

/** A union is told by the names of its variants. */
function choicesOf(issue: Issue & { code: 'invalid_union' }, path: readonly PropertyKey[], data: unknown): string {
  const choices = choicesAt(issue)
  if (choices.length > 0) return choices.map((choice) => JSON.stringify(choice)).join(', ')
  return path.includes('metadata') || typeof data !== 'object' ? 'a text, a number, true or false' : 'one of the known forms'
}

function choicesAt(issue: Issue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  const { options } = issue as { options?: unknown }
  return Array.isArray(options) ? options.map(String) : []
}

function suggestion(value: unknown, issue: Issue): string {
  const meant = typeof value === 'string' ? closest(value, choicesAt(issue)) : null
  return meant === null ? '' : `: did you mean ${meant}?`
}

/** The value, short, and never where a secret may have been put. */
function described(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') return 'a mapping'
  if (typeof value !== 'string') return String(value)
  if (/Variable$/.test(String(path.at(-1)))) return 'something else (not shown: it may be a secret)'
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | null | undefined)?.[step], data)
}

/** `vectorizers[0].chunking.tokens`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`)).join('')
}
