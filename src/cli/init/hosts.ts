import { readFileSync } from 'node:fs'
import type { Configuration } from '../../config/configuration.ts'
import { storePolicy } from '../../aws/store-policies.ts'
import { partitionOf } from '../../aws/iam-documents.ts'
import { configure, print, type Flags } from '../run.ts'
import { keysExample, placeOf, plainVariables, secretVariables, type Place } from './places.ts'
import { secretName } from './storage.ts'
import { writeFiles, type FileToWrite } from './write-files.ts'

/** Where a server or a function can be run. */
export const hosts = ['docker', 'koyeb', 'fly', 'lambda'] as const
export type Host = (typeof hosts)[number]

interface HostPlan {
  readonly files: readonly FileToWrite[]
  readonly steps: string
}

/** `windlass init docker`, `koyeb`, `fly`, `lambda`: the files for a host, and what is left to do by hand. */
export function initHost(host: Host, flags: Flags, { version }: { version: string }): void {
  const configuration = configure(flags)
  const name = typeof flags.name === 'string' ? flags.name : 'windlass'
  const { files, steps } = planOf(host, { name, version, place: placeOf(configuration), configuration })
  writeFiles(files, flags)
  print(`\nLeft to do:\n\n${steps}`)
}

interface Wish {
  readonly name: string
  readonly version: string
  readonly place: Place
  readonly configuration: Configuration
}

function planOf(host: Host, wish: Wish): HostPlan {
  switch (host) {
    case 'docker':
      return { files: imageFiles(wish, ['compose.yaml']), steps: dockerSteps(wish) }
    case 'koyeb':
      return { files: [...imageFiles(wish), { path: 'koyeb.sh', text: koyebScript(wish) }], steps: koyebSteps() }
    case 'fly':
      return { files: [...imageFiles(wish), { path: 'fly.toml', text: flyToml(wish) }], steps: flySteps(wish) }
    case 'lambda':
      return { files: [{ path: 'template.yaml', text: template('sam/template.yaml') }], steps: lambdaSteps(wish) }
  }
}

/** The image is the same everywhere; only its version is filled in. */
function imageFiles({ version }: Wish, more: readonly string[] = []): FileToWrite[] {
  return ['Dockerfile', 'healthcheck.mjs', '.dockerignore', ...more].map((path) => ({ path, text: template(`container/${path === '.dockerignore' ? 'dockerignore' : path}`).replace('windlass@latest', `windlass@${version}`) }))
}

function template(path: string): string {
  return readFileSync(new URL(`../../../templates/${path}`, import.meta.url), 'utf8')
}

function dockerSteps({ place }: Wish): string {
  return `  windlass init s3 ${place.bucket} ${place.region}    # writes .env, where there is none; fill in the AWS keys
  echo "WINDLASS_KEYS=$(printf '%s' ${keysExample})" >> .env
  docker compose up --build --detach
  docker compose ps                       # healthy, after a few seconds
  docker compose exec windlass windlass doctor`
}

/** Beside some 140 MB of the process itself: as much as leaves room for a query on a host of 256 or 512 MB. */
const memoryBudget = (megabytes: 256 | 512): [name: string, value: string] => ['WINDLASS_MEMORY_BUDGET', `${megabytes / 4}MiB`]

function koyebScript({ name, place }: Wish): string {
  const variables = [...[...plainVariables(place), memoryBudget(256)].map(([key, value]) => `  --env ${key}=${value}`), ...secretVariables.map((key) => `  --env '${key}={{secret.${secretName(key)}}}'`)]
  return `#!/usr/bin/env sh
# Puts the server onto Koyeb: the image of the Dockerfile in this repository, built there. Needs the Koyeb CLI, logged in (koyeb login).
# The secrets are made once:
${secretVariables.map((key) => `#   koyeb secrets create ${secretName(key)} --value-from-stdin`).join('\n')}
set -eu
repository="\${1:?usage: sh koyeb.sh github.com/<owner>/<repository> [region]}"
koyeb apps init ${name} \\
  --git "$repository" --git-builder docker --git-docker-dockerfile Dockerfile \\
  --instance-type nano --regions "\${2:-fra}" \\
  --ports 8900:http --routes /:8900 --checks 8900:http:/ready \\
${variables.join(' \\\n')}
`
}

function koyebSteps(): string {
  return `  koyeb login
${secretVariables.map((key) => `  koyeb secrets create ${secretName(key)} --value-from-stdin${key === 'WINDLASS_KEYS' ? `   # ${keysExample}` : ''}`).join('\n')}
  git add Dockerfile healthcheck.mjs .dockerignore koyeb.sh && git commit -m "run on Koyeb" && git push
  sh koyeb.sh github.com/<owner>/<repository>

In the dashboard instead: Create service -> GitHub -> Builder: Dockerfile; port 8900; health check /ready; the variables of koyeb.sh.
A nano has 256 MB: on a larger instance, give WINDLASS_MEMORY_BUDGET more than 64MiB.`
}

function flyToml({ name, place }: Wish): string {
  return `# fly deploy
app = ${JSON.stringify(name)}
primary_region = "fra"

[build]
  dockerfile = "Dockerfile"

[env]
${[...plainVariables(place), memoryBudget(512)].map(([key, value]) => `  ${key} = ${JSON.stringify(value)}`).join('\n')}

[http_service]
  internal_port = 8900
  force_https = true
  # Nothing is lost when a machine stops: everything is in the bucket.
  auto_stop_machines = "stop"
  auto_start_machines = true
  min_machines_running = 0

  [[http_service.checks]]
    method = "GET"
    path = "/ready"
    grace_period = "20s"
    interval = "30s"
    timeout = "5s"

[[vm]]
  size = "shared-cpu-1x"
  memory = "512mb"
`
}

function flySteps({ name }: Wish): string {
  return `  fly apps create ${name}
  fly secrets set AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… WINDLASS_KEYS=${keysExample}
  fly deploy
  fly scale count 2                       # as many as wanted: they share the bucket

With a bucket of Tigris: fly storage create sets the keys, the endpoint and the name (BUCKET_NAME, which is S3_BUCKET here).`
}

function lambdaSteps({ place }: Wish): string {
  const policy = storePolicy({ partition: partitionOf(place.region), bucket: place.bucket, prefix: place.prefix })
  return `  mkdir -p function && cp windlass.yaml function/
  npm install windlass esbuild
  npx esbuild node_modules/windlass/dist/lambda/index.js --bundle --minify --platform=node --target=node20 --format=esm \\
    --external:pdfjs-dist --external:pg --external:hyparquet-writer --external:node-sqlite3-wasm --external:@aws-sdk/client-s3vectors --external:@huggingface/transformers \\
    --banner:js="import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" \\
    --outfile=function/dist/lambda/index.mjs
  mkdir -p function/models && cp -r node_modules/windlass/models/static-384 function/models/
  sam deploy --guided --template template.yaml
  windlass events install <vectorizer> --to <QueueArn of the output>

The function's role may do this in the index bucket, and nothing else:
${JSON.stringify(policy, null, 2)}`
}
