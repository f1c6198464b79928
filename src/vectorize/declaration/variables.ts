import { WindlassError } from '../../base/errors.ts'
import type { SourceDeclaration } from './declaration.ts'

/** Variables by name, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `text` with `$NAME` and `${NAME}` replaced by what the environment says; `$$` is a dollar sign. For addresses and paths: secrets are
 * never written as text, but named (`apiKeyVariable`).
 * @param where Of the text, for the message: `vectorizers[0].source.url`.
 * @throws {WindlassError} `invalid` for a variable that is unset or empty, by its name.
 */
export function expandVariables(text: string, environment: Environment, where: string): string {
  return text.replace(/\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\}|)/g, (match, dollar: string | undefined, bare: string | undefined, braced: string | undefined) => {
    if (dollar !== undefined) return '$'
    const name = bare ?? braced
    if (name === undefined) throw new WindlassError('invalid', `${where}: ${match} is followed by no variable's name: write $NAME or \${NAME}, or $$ for a dollar sign`, { path: where })
    return variableOf(name, environment, where)
  })
}

/**
 * The value of a variable that a declaration names.
 * @throws {WindlassError} `invalid` when it is unset or empty, by its name.
 */
export function variableOf(name: string, environment: Environment, where: string): string {
  const value = environment[name]
  if (value) return value
  throw new WindlassError('invalid', `${where}: the environment variable ${name} is ${value === undefined ? 'not set' : 'empty'}: set it, or name another`, { path: where })
}

/** A source with the variables in its addresses and paths replaced. @throws {WindlassError} `invalid` for one that is unset. */
export function expandSource(source: SourceDeclaration, environment: Environment, where = 'source'): SourceDeclaration {
  const expand = (text: string, field: string) => expandVariables(text, environment, `${where}.${field}`)
  switch (source.type) {
    case 's3':
      return {
        ...source,
        url: expand(source.url, 'url'),
        ...(source.endpoint !== undefined && { endpoint: expand(source.endpoint, 'endpoint') }),
        ...(source.region !== undefined && { region: expand(source.region, 'region') }),
        ...(source.role !== undefined && { role: expand(source.role, 'role') }),
        ...(source.via && { via: source.via.map((role, i) => expand(role, `via[${i}]`)) }),
        ...(source.externalId !== undefined && { externalId: expand(source.externalId, 'externalId') }),
        ...(source.aws_role_arn !== undefined && { aws_role_arn: expand(source.aws_role_arn, 'aws_role_arn') }),
        ...(source.assume_role_arn !== undefined && { assume_role_arn: expand(source.assume_role_arn, 'assume_role_arn') }),
        ...(source.events && { events: expandEvents(source.events, expand) }),
      }
    case 'postgres':
      return {
        ...source,
        table: expand(source.table, 'table'),
        loading: { ...source.loading, ...(source.loading.roots && { roots: source.loading.roots.map((root, i) => expand(root, `loading.roots[${i}]`)) }) },
      }
    case 'folder':
      return { ...source, path: expand(source.path, 'path') }
    case 'git':
      return { ...source, path: expand(source.path, 'path'), ref: expand(source.ref, 'ref') }
    case 'urls':
      return {
        ...source,
        ...(source.urls && { urls: source.urls.map((url, i) => expand(url, `urls[${i}]`)) }),
        ...(source.sitemap !== undefined && { sitemap: expand(source.sitemap, 'sitemap') }),
      }
  }
}

type Events = NonNullable<Extract<SourceDeclaration, { type: 's3' }>['events']>

function expandEvents(events: Events, expand: (text: string, field: string) => string): Events {
  return {
    ...events,
    queueUrl: expand(events.queueUrl, 'events.queueUrl'),
    ...(events.region !== undefined && { region: expand(events.region, 'events.region') }),
    ...(events.endpoint !== undefined && { endpoint: expand(events.endpoint, 'events.endpoint') }),
  }
}
