#!/usr/bin/env node
import { Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { errorPolicies, isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { loadConfiguration, storeSettings } from '../config/load.ts'
import type { Configuration } from '../config/configuration.ts'
import type { SettingName } from '../config/settings.ts'
import { open } from '../index.ts'
import type { Bucket } from '../library/types.ts'
import { folderSource } from '../vectorize/sources/folder-source.ts'
import { indexSource } from '../vectorize/index-source.ts'
import type { SourceDocument } from '../vectorize/document-index.ts'

type Flags = Partial<Record<SettingName, string>> & { k?: string; filter?: string; json?: boolean; prune?: boolean }

const program = new Command('windlass').description('Vector and full-text search whose only durable state is a bucket').version('0.1.0').showHelpAfterError()
const withBucket = (command: Command) => command.option('--bucket <url>', 's3://bucket/prefix, file:./folder (default: environment, then file:./.windlass)')
const withCollection = (command: Command) => withBucket(command).option('--collection <name>', 'collection to use (default: docs)')

withCollection(program.command('index').argument('<paths...>', 'files and folders'))
  .description('parse, chunk, embed and store files; only what changed')
  .option('--prune', 'remove documents whose files are gone')
  .action((paths: string[], flags: Flags) => run(flags, (bucket, configuration) => index(bucket, configuration, paths, flags)))

withCollection(program.command('search').argument('<question>'))
  .description('find passages by meaning and by words')
  .option('-k <count>', 'how many', '5')
  .option('--filter <json>', 'filter on metadata')
  .option('--json', 'print JSON')
  .action((question: string, flags: Flags) => run(flags, (bucket, configuration) => search(bucket, configuration, question, flags)))

withBucket(program.command('ls').argument('[collection]'))
  .description('list collections, or the documents of one')
  .action((name: string | undefined, flags: Flags) => run(flags, (bucket) => list(bucket, name)))

withBucket(program.command('rm').argument('<collection>').argument('[source]'))
  .description('remove a document, or drop a collection')
  .action((name: string, source: string | undefined, flags: Flags) =>
    run(flags, async (bucket) => {
      if (source === undefined) return bucket.dropCollection(name)
      if (!(await (await bucket.collection(name)).deleteDocument(source))) throw new WindlassError('not-found', `${name} has no document ${JSON.stringify(source)}`)
    }),
  )

withBucket(program.command('stats').argument('<collection>'))
  .description('sizes and counts of a collection')
  .action((name: string, flags: Flags) => run(flags, async (bucket) => print(JSON.stringify(await (await bucket.collection(name)).stats(), null, 2))))

withBucket(program.command('verify').argument('<collection>'))
  .description('read every object of a collection and check every checksum')
  .action((name: string, flags: Flags) =>
    run(flags, async (bucket) => {
      const { objectCount, sizeBytes, problems } = await bucket.verify(name)
      for (const { object, message } of problems) print(`${object}: ${message}`)
      print(`${objectCount} objects, ${sizeBytes} bytes, ${problems.length} problems`)
      if (problems.length > 0) process.exitCode = errorPolicies.corrupt.exitCode
    }),
  )

withBucket(program.command('config')).description('every setting, its value and where it came from').action((flags: Flags) => {
  const configuration = configure(flags)
  for (const { name, value, origin } of configuration.list()) if (value !== undefined) print(`${name.padEnd(20)} ${value}  (${origin})`)
  print(`${'=> bucket'.padEnd(20)} ${configuration.bucket().url}`)
})

async function index(bucket: Bucket, configuration: Configuration, paths: string[], flags: Flags): Promise<void> {
  const started = systemClock.monotonic()
  const collection = await bucket.getOrCreateCollection(configuration.text('collection')!)
  let files = 0
  const report = await indexSource(all(paths), collection, {
    ...(flags.prune && { prune: paths.map((path) => path.replace(/^\.\//, '')) }),
    onFile: () => {
      if (++files % 20 === 0 && process.stderr.isTTY) process.stderr.write(`\r${files} files`)
    },
  })
  if (process.stderr.isTTY) process.stderr.write('\r')
  for (const { source, message } of report.failed) process.stderr.write(`failed: ${source}: ${message}\n`)
  const { requests } = bucket.requestCounts()
  const seconds = ((systemClock.monotonic() - started) / 1000).toFixed(1)
  print(`${report.new} new, ${report.changed} changed, ${report.unchanged} unchanged, ${report.removed} removed, ${report.failed.length} failed`)
  print(`${report.chunks} chunks, ${report.bytes} bytes, ${seconds} s, requests ${JSON.stringify(requests)}`)
  if (report.failed.length > 0) process.exitCode = 1
}

async function* all(paths: readonly string[]): AsyncIterable<SourceDocument> {
  for (const path of paths) yield* folderSource(path)
}

async function search(bucket: Bucket, configuration: Configuration, question: string, flags: Flags): Promise<void> {
  const collection = await bucket.collection(configuration.text('collection')!)
  const passages = await collection.search(question, { k: Number(flags.k ?? 5), ...(flags.filter !== undefined && { filter: parseJson(flags.filter) }) })
  if (flags.json) return print(JSON.stringify(passages, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value), 2))
  for (const { source, headingPath, page, lineStart, text, score } of passages) {
    const place = [page === undefined ? '' : `page ${page}`, lineStart === undefined ? '' : `line ${lineStart}`].filter(Boolean).join(', ')
    print(`${source}${place ? `  (${place})` : ''}${headingPath.length > 0 ? `  ${headingPath.join(' > ')}` : ''}  [${score.toFixed(3)}]`)
    print(`    ${text.replace(/\s+/g, ' ').slice(0, 300)}\n`)
  }
  if (passages.length === 0) print('nothing found')
}

async function list(bucket: Bucket, name: string | undefined): Promise<void> {
  for (let after: string | undefined; ; ) {
    const page = { limit: 1000, ...(after !== undefined && { after }) }
    if (name === undefined) {
      const { collections, next } = await bucket.listCollections(page)
      for (const each of collections) print(each.name)
      after = next
    } else {
      const { documents, next } = await (await bucket.collection(name)).listDocuments(page)
      for (const { source, chunkCount, sizeBytes, state } of documents) print(`${source}  ${chunkCount} chunks, ${sizeBytes} bytes, ${state}`)
      after = next
    }
    if (after === undefined) return
  }
}

function configure(flags: Flags): Configuration {
  const { bucket, collection } = flags
  const configuration = loadConfiguration({ ...(bucket && { bucket }), ...(collection && { collection }) })
  for (const warning of configuration.warnings) process.stderr.write(`warning: ${warning}\n`)
  return configuration
}

async function run(flags: Flags, task: (bucket: Bucket, configuration: Configuration) => Promise<void>): Promise<void> {
  try {
    const configuration = configure(flags)
    const bucket = await open(configuration.bucket().url, { store: storeSettings(configuration) })
    try {
      await task(bucket, configuration)
    } finally {
      await bucket.close()
    }
  } catch (error) {
    process.stderr.write(`windlass: ${messageOf(error)}\n`)
    process.exitCode = isWindlassError(error) ? errorPolicies[error.kind].exitCode : 1
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new WindlassError('invalid', `--filter is not JSON: ${messageOf(cause)}`, { path: 'filter', cause })
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

await program.parseAsync()
