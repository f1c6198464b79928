import { WindlassError } from '../../../base/errors.ts'

const placeholders = /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\}|)/gi

/** The names that a template asks for, `chunk` among them. */
export function templateNames(template: string): string[] {
  return [...new Set([...template.matchAll(placeholders)].flatMap(([, , bare, braced]) => bare ?? braced ?? []))]
}

/**
 * Fills `$name` and `${name}` as `string.Template.substitute` of Python's standard library does; `$$` is a dollar sign.
 * @throws {WindlassError} `invalid` for a name without a value, or a `$` that begins no name.
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(placeholders, (match, dollar: string | undefined, bare: string | undefined, braced: string | undefined, at: number) => {
    if (dollar !== undefined) return '$'
    const name = bare ?? braced
    if (name === undefined) throw new WindlassError('invalid', `the template has a $ at character ${at} that begins no name: write $$ for a dollar sign`, { path: 'formatting.template' })
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined) throw new WindlassError('invalid', `the template asks for ${match}, which is no column of the table`, { path: 'formatting.template' })
    return value
  })
}

/**
 * A column's value as Python's `str` writes what psycopg reads, so that rows that pgai embedded are recognized.
 * @param text The value as Postgres writes it.
 * @param type As `format_type` writes it.
 */
export function pythonText(text: string | null, type: string): string {
  if (text === null) return 'None'
  if (type === 'boolean') return text === 't' || text === 'true' ? 'True' : 'False'
  // Postgres writes whole hours of a zone without minutes.
  if (type.endsWith('with time zone')) return text.replace(/([+-]\d\d)$/, '$1:00')
  return text
}
