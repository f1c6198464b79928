import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { WindlassError } from '../../base/errors.ts'
import { print, type Flags } from '../run.ts'

/** The five secrets, and what each is. */
export const secrets = [
  ['TIGRIS_ACCESS_KEY_ID', 'access key id'],
  ['TIGRIS_SECRET_ACCESS_KEY', 'secret access key'],
  ['TIGRIS_ENDPOINT_URL', 'endpoint, such as https://fly.storage.tigris.dev'],
  ['TIGRIS_REGION', 'region, such as auto'],
  ['TIGRIS_BUCKET_NAME', 'name of the bucket'],
] as const

const workflowPath = '.github/workflows/windlass.yml'
const declarationPath = 'windlass.yaml'
const declarations = /^windlass(\.config)?\.(ya?ml|json|[cm]?[jt]s)$/
const usualFolders = ['docs', 'doc', 'documentation', 'content']

/**
 * `windlass init github`: a workflow that keeps an index in step with the repository, a first declaration where there is none, and what is
 * left to do by hand.
 * @throws {WindlassError} `conflict` where the workflow is there already, unless `--force`; nothing was written then.
 */
export function initGithub(flags: Flags, { version, folder = process.cwd() }: { version: string; folder?: string }): void {
  const names = readdirSync(folder)
  const docs = usualFolders.find((name) => names.includes(name))
  const files = [{ path: workflowPath, text: workflowText({ docs, version, uses: typeof flags.uses === 'string' ? flags.uses : undefined }) }]
  const declaration = names.find((name) => declarations.test(name))
  if (!declaration) files.push({ path: declarationPath, text: declarationText(docs) })
  const isThere = existsSync(join(folder, workflowPath))
  if (isThere && !flags.force && !flags.dryRun) throw new WindlassError('conflict', `${workflowPath} is there already: --force replaces it, --dry-run shows what would be written`, { path: workflowPath })
  for (const { path, text } of files) {
    if (flags.dryRun) print(`# ${path}${path === workflowPath && isThere ? ' (there already; only --force would replace it)' : ''}\n${text}`)
    else {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
      print(`wrote ${path}`)
    }
  }
  if (declaration) print(`${declaration} is there and stays as it is`)
  print(stepsText(declaration ?? declarationPath, flags.dryRun === true))
}

function stepsText(declaration: string, isDryRun: boolean): string {
  return `
Left to do:

1. Set the secrets (each asks for its value; keys of AWS, MinIO or R2 do as well):

${secrets.map(([name, what]) => `     gh secret set ${name.padEnd(26)} # ${what}`).join('\n')}

   or on the web: the repository -> Settings -> Secrets and variables -> Actions -> New repository secret.

2. Look through ${declaration}: what is kept in step with what.

3. ${isDryRun ? 'Run again without --dry-run, commit' : 'Commit'} ${workflowPath} and ${declaration}, and push. To start it by hand: gh workflow run windlass.yml
`
}

/** @param uses `owner/repository/action@ref`; absent: the package is run from npm. */
export function workflowText({ docs, version, uses }: { docs: string | undefined; version: string; uses: string | undefined }): string {
  const indent = (lines: readonly string[]) => lines.map((line) => `          ${line}`).join('\n')
  const env = secrets.map(([name]) => `${name}: \${{ secrets.${name} }}`)
  const step = uses
    ? `      - uses: ${uses}\n        with:\n          mode: vectorize\n        env:\n${indent(env)}`
    : `      - name: Vectorize what changed\n        run: npx --yes windlass@${version} action\n        env:\n${indent(['INPUT_MODE: vectorize', ...env])}`
  const paths = docs ? `${docs}/**` : '**.md'
  return `# Keeps the index in the bucket in step with this repository. All that is remembered between runs lies in the bucket: no caches,
# no artifacts. Two runs at once are safe, so there is no concurrency group.
name: Windlass

on:
  push:
    paths: ['${paths}', windlass.yaml, ${workflowPath}]
  schedule:
    # Once a day, for what failed and is due again, and for sources outside the repository.
    - cron: '17 3 * * *'
  workflow_dispatch:

permissions:
  contents: read

jobs:
  vectorize:
    # The index follows the default branch.
    if: github.event_name != 'push' || github.ref_name == github.event.repository.default_branch
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-node@v4
        with:
          node-version: 22
${step}
          # For embedding by OpenAI, or a vector store there:
          # OPENAI_API_KEY: \${{ secrets.OPENAI_API_KEY }}
`
}

/** A declaration to begin with. */
export function declarationText(docs: string | undefined): string {
  return `# What is kept in step with what. The bucket is that of the secrets (TIGRIS_BUCKET_NAME …); \`bucket:\` names another.
version: 1
vectorizers:
  - name: docs
    source:
      type: git
      path: ${docs ?? '.'}${docs ? '' : "\n      include: ['**/*.md', '**/*.html', '**/*.txt']"}
    # Built in, without a key or a network. Or: { provider: openai, model: text-embedding-3-small }
    embedding: { provider: static }
    destinations:
      - { type: collection, name: docs }
      # Kept in step as well: { type: openai, vectorStore: docs }
`
}
