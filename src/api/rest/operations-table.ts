import type { Route } from './route.ts'

/** The table of operations for the documentation. */
export function operationsTable(routes: readonly Route[]): string {
  const rows = routes.map(({ method, path, summary, role }) => `| \`${method.toUpperCase()} ${path.replace('*}', '}')}\` | ${role ?? 'none'} | ${summary} |`)
  return `| operation | role | |\n|---|---|---|\n${rows.join('\n')}\n`
}
