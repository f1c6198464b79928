#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { awsSpellings, tellAwsCommand } from './commands/aws-command.ts'
import { list, remove, repair, showConfiguration, stats, verify } from './commands/manage.ts'
import { search } from './commands/search.ts'
import { branch, createSnapshot, listSnapshots, removeSnapshot, restore, sweep } from './commands/snapshots.ts'
import { retryFailed, showDrift, showErrors, showStatus } from './commands/vectorizer-state.ts'
import { addInitCommands } from './init-commands.ts'
import { addAudioCommands } from './audio-commands.ts'
import { addModelCommands } from './model-commands.ts'
import { withVectorizers } from './vectorizers.ts'
import { reporting, withBucket, type Flags } from './run.ts'

// The SDK would print a notice about the version of Node into our output.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'

// `windlass ls | head`: whoever reads has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
const program = new Command('windlass')
  .description('Vector and full-text search whose only durable state is a bucket')
  .version(version)
  .enablePositionalOptions()
  .showHelpAfterError()
  .showSuggestionAfterError()

const command = (usage: string, description: string, parent: Command = program) =>
  parent
    .command(usage)
    .description(description)
    .option('--bucket <url>', 's3://bucket/prefix, file:./folder, memory: (default: environment, then file:./.windlass)')
    .option('--verbose', 'show where an error comes from')
const collectionOption = () => new Option('--collection <name>', 'collection to use (default: docs)')
const jsonOption = () => new Option('--json', 'print JSON')

command('index <paths...>', 'parse, chunk, embed and store files, folders and s3:// prefixes; only what changed')
  .addOption(collectionOption())
  .addOption(jsonOption())
  .option('--prune', 'remove documents whose files are gone')
  .action((paths: string[], flags: Flags) =>
    withBucket(flags, async (session) => {
      const { indexFiles } = await import('./commands/index-files.ts')
      await indexFiles(session, paths, flags)
    }),
  )

command('search <question>', 'find passages by meaning and by words')
  .addOption(collectionOption())
  .addOption(jsonOption())
  .option('-k <count>', 'how many', '5')
  .option('--filter <json>', 'filter on metadata')
  .addOption(new Option('--mode <mode>', 'by meaning and words, meaning, or words').choices(['hybrid', 'vector', 'text']))
  .option('--legacy <url>', 'search a home-made layout where it lies: vectors as JSON below vectors/ of s3://bucket/prefix or a folder')
  .action((question: string, flags: Flags) => {
    const { legacy } = flags
    if (typeof legacy !== 'string') return withBucket(flags, (session) => search(session, question, flags))
    return reporting(flags, async () => (await import('./commands/legacy.ts')).searchOldLayout(question, legacy, flags))
  })

command('serve', 'answer HTTP requests: /v1, /health, /metrics, /openapi.json')
  .option('--port <port>', 'port to listen on; 0 takes a free one (default: 8900)')
  .option('--host <host>', 'address to listen on; any but loopback needs keys (default: 127.0.0.1)')
  .option('--preload', 'read every collection before the first request is taken')
  .option('--allow-reset', 'let a client of Chroma empty the bucket')
  .option('--config <file>', 'a declaration, for whose vectorizers events are taken: POST /v1/vectorizers/{name}/events')
  .option('--reload', 'for development: start anew when .env, the declaration or the source changes')
  .action(({ reload, ...flags }: Flags) =>
    reporting(flags, async () => {
      if (reload) return (await import('./commands/serve-reload.ts')).serveReloading(flags)
      // Loaded here: no other command needs the server.
      const { serve } = await import('./commands/serve.ts')
      await serve(flags, version)
    }),
  )

command('ls [collection]', 'list collections, or the documents of one')
  .addOption(jsonOption())
  .option('--legacy <url>', 'the vectors of a home-made layout; `ls files --legacy <url>`: its files')
  .action((name: string | undefined, flags: Flags) => {
    const { legacy } = flags
    if (typeof legacy !== 'string') return withBucket(flags, (session) => list(session, name, flags))
    return reporting(flags, async () => (await import('./commands/legacy.ts')).listOldLayout(name, legacy, flags))
  })

command('rm <collection> [source]', 'remove a document, or drop a collection').action((name: string, source: string | undefined, flags: Flags) =>
  withBucket(flags, (session) => remove(session, name, source)),
)

command('stats <collection>', 'sizes and counts of a collection')
  .addOption(jsonOption())
  .action((name: string, flags: Flags) => withBucket(flags, (session) => stats(session, name, flags)))

command('verify <collection>', 'read every object of a collection and check every checksum').action((name: string, flags: Flags) =>
  withBucket(flags, (session) => verify(session, name)),
)

command('repair <collection>', 'recover what can be of a damaged collection; name what cannot').action((name: string, flags: Flags) =>
  withBucket(flags, (session) => repair(session, name)),
)

const snapshots = program.command('snapshot').description('keep a collection as it is under a name: create, ls, rm')

command('create <collection> <name>', 'keep a collection as it is, or was, under a name', snapshots)
  .option('--at <time>', 'as it was then, within the last day: 2026-11-21T10:00:00Z')
  .action((collection: string, name: string, flags: Flags) => withBucket(flags, (session) => createSnapshot(session, collection, name, flags)))

command('ls <collection>', 'list snapshots', snapshots)
  .addOption(jsonOption())
  .action((collection: string, flags: Flags) => withBucket(flags, (session) => listSnapshots(session, collection, flags)))

command('rm <collection> <name>', 'let a snapshot go', snapshots).action((collection: string, name: string, flags: Flags) =>
  withBucket(flags, (session) => removeSnapshot(session, collection, name)),
)

command('branch <from> <to>', 'make another collection as this one is, in constant time')
  .option('--snapshot <name>', 'as it was at this snapshot')
  .action((from: string, to: string, flags: Flags) => withBucket(flags, (session) => branch(session, from, to, flags)))

command('restore <collection> <snapshot>', 'make a collection what it was at a snapshot').action((collection: string, snapshot: string, flags: Flags) =>
  withBucket(flags, (session) => restore(session, collection, snapshot)),
)

command('sweep <collection>', 'delete what nothing names any more; it happens by itself after writes').action((collection: string, flags: Flags) =>
  withBucket(flags, (session) => sweep(session, collection)),
)

const configOption = () => new Option('--config <file>', 'what is declared (default: windlass.yaml, .yml, .json or windlass.config.ts, .js)')

command('vectorize [names...]', 'bring destinations in step with sources, as windlass.yaml declares; only what changed')
  .addOption(configOption())
  .addOption(jsonOption())
  .option('--watch', 'again and again, with the declared time between')
  .option('--events', "once, and then whenever the bucket's events tell of something (source.events)")
  .option('--dry-run', 'list what would be done')
  .option('--full', 'everything again')
  .option('--check', 'first put right what destinations hold or lack against the state')
  .action((names: string[], flags: Flags) =>
    withVectorizers(names, flags, async (session) => {
      const { vectorize } = await import('./commands/vectorize.ts')
      await vectorize(session, flags)
    }),
  )

command('status [names...]', 'what vectorizers have done, and who is at work')
  .addOption(configOption())
  .addOption(jsonOption())
  .action((names: string[], flags: Flags) => withVectorizers(names, flags, (session) => showStatus(session, flags)))

command('errors [names...]', 'documents that could not be vectorized, and why')
  .addOption(configOption())
  .addOption(jsonOption())
  .action((names: string[], flags: Flags) => withVectorizers(names, flags, (session) => showErrors(session, flags)))

command('retry <name> [paths...]', 'make failed documents due now; all of them where none is named')
  .addOption(configOption())
  .action((name: string, paths: string[], flags: Flags) => withVectorizers([name], flags, (session) => retryFailed(session, paths)))

command('drift [names...]', 'compare what destinations hold with what the state says')
  .addOption(configOption())
  .addOption(jsonOption())
  .action((names: string[], flags: Flags) => withVectorizers(names, flags, (session) => showDrift(session, flags)))

const postgres = program.command('postgres').description('tables as sources, and the vectorizers of pgai: install, uninstall, worker')
const postgresCommand = (usage: string, description: string) =>
  command(usage, description, postgres).option('--url-variable <name>', 'environment variable with postgresql://user:password@host/database (default: WINDLASS_POSTGRES_URL, PGAI_VECTORIZER_WORKER_DB_URL, DATABASE_URL)')
const each = (value: string, known: string[] = []) => [...known, value]

postgresCommand('install [vectorizer]', "let a table note its changes for a vectorizer of windlass.yaml; or, with --pgai, install pgai's SQL")
  .addOption(configOption())
  .option('--pgai', 'the schema ai, so that the SQL of pgai runs: SELECT ai.create_vectorizer(…)')
  .action((name: string | undefined, flags: Flags) =>
    reporting(flags, async () => {
      const { install } = await import('./commands/postgres-install.ts')
      await install(name, flags)
    }),
  )

postgresCommand('uninstall [vectorizer]', 'take away what install made; tables of yours stay')
  .addOption(configOption())
  .option('--pgai', 'the schema ai, with all vectorizers in it')
  .option('--drop-all', 'with --pgai: the tables and views of embeddings too')
  .action((name: string | undefined, flags: Flags) =>
    reporting(flags, async () => {
      const { uninstall } = await import('./commands/postgres-install.ts')
      await uninstall(name, flags)
    }),
  )

postgresCommand('worker', 'embed what the vectorizers in the schema ai ask for, as the worker of pgai does')
  .option('--once', 'empty the queues and end')
  .option('--poll-interval <time>', 'pause when all queues are empty: 30s, 5m (default: 5m)')
  .option('-c, --concurrency <count>', 'batches at once of each vectorizer (default: as it asks for, or 1)')
  .option('-i, --id <id>', 'only this vectorizer; may be given again', each)
  .option('--allow-host <host>', 'http(s) URIs in tables may name this host; may be given again', each)
  .option('--file-root <folder>', 'file URIs and paths in tables may lead below this folder; may be given again', each)
  .action((flags: Flags & { id?: string[]; allowHost?: string[]; fileRoot?: string[] }) =>
    reporting(flags, async () => {
      const { workForPgai } = await import('./commands/postgres.ts')
      await workForPgai(flags, version)
    }),
  )

command('iam <name>', 'what a vectorizer needs at AWS: policy, trust policy, and the commands that make the role')
  .addOption(configOption())
  .addOption(jsonOption())
  .option('--principal <arn>', 'who takes the role (default: whoever calls, as AWS says)')
  .option('--role-name <name>', 'name of the role (default: the declared one, or windlass-<name>)')
  .option('--kms <arn>', 'key of KMS that objects are encrypted with; repeatable', (value: string, before: string[] = []) => [...before, value])
  .action((name: string, flags: Flags & { kms?: string[] }) =>
    withVectorizers([name], flags, async (session) => {
      const { showIam } = await import('./commands/iam.ts')
      await showIam(session, flags)
    }),
  )

const events = program.command('events').description("the bucket's notifications of a vectorizer: install, uninstall, ls")

for (const [verb, description] of [
  ['install', "add the rule that sends the bucket's events, and keep those that are there"],
  ['uninstall', 'take the rule out again'],
  ['ls', 'the rules of the bucket'],
] as const) {
  const made = command(`${verb} <name>`, description, events).addOption(configOption()).addOption(jsonOption())
  if (verb === 'install') made.option('--to <arn>', 'SQS queue, SNS topic, Lambda function, MinIO webhook, or `eventbridge` (default: the declared queue)').option('--dry-run', 'show it and write nothing')
  made.action((name: string, flags: Flags) =>
    withVectorizers([name], flags, async (session) => {
      const { changeEvents } = await import('./commands/events.ts')
      await changeEvents(verb, session, flags)
    }),
  )
}

command('copy <from> <to>', 'copy an index, a collection, a whole bucket, or the records of another engine or file: see docs/migrate.md')
  .option('--from-endpoint <url>', 'endpoint to read from: of an index, that of S3 Vectors (default: AWS_ENDPOINT_URL_S3VECTORS, then AWS); of whole buckets and files, that of S3')
  .option('--from-region <region>', 'region to read from (default: AWS_REGION)')
  .option('--from-profile <name>', 'of an index: profile of the shared AWS configuration to read with')
  .option('--to-endpoint <url>', 'S3 Vectors endpoint to write to')
  .option('--to-region <region>', 'region to write to')
  .option('--to-profile <name>', 'profile to write with')
  .option('--parallel <count>', 'lists and puts in flight at once, 1 to 16', '4')
  .option('--document-key <key>', 'metadata key that documents of a collection become, and come from')
  .option('--metric <metric>', 'of a table or file: cosine, euclidean or dot', 'cosine')
  .option('--vector-field <name>', 'of a table, file or payload: the column with the vector; of Qdrant, which of its named vectors')
  .option('--id-field <name>', 'the column with the id')
  .option('--text-field <name>', 'the column with the text')
  .option('--metadata-field <name>', 'the column with the metadata')
  .option('--vector-model <name>', 'what made the vectors, so that the copy can be searched by meaning')
  .option('--token <secret>', 'of a Chroma server: a token, or name:password')
  .option('--no-verify', 'of engines and files: do not read the source once more to compare; of whole buckets: do not verify the copy')
  .option('--rollback', 'of engines and files: take out again what this copy wrote')
  .option('--dry-run', 'look at both sides and write nothing')
  .addOption(jsonOption())
  .action((from: string, to: string, flags: Flags) =>
    reporting(flags, async () => {
      // Loaded here, as `serve` is: no other command needs it.
      const { copy } = await import('./commands/copy.ts')
      await copy(from, to, flags)
    }),
  )

command('migrate [source]', 'bring in a home-made layout: files below files/ and vectors as JSON below vectors/ of s3://bucket/prefix or a folder')
  .option('--to <destination>', 'a collection, <bucket>#<collection>, s3vectors://bucket/index, or an engine: qdrant:…, opensearch:…, pgvector:…')
  .addOption(new Option('--vectors <how>', 'take old vectors over, or make them anew from the files').choices(['auto', 'reuse', 'embed']).default('auto'))
  .option('--vector-model <name>', 'what made the old vectors, where their records do not say')
  .option('--dry-run', 'read everything, say what would be done and what it costs, and write nothing')
  .option('--rollback', 'take out again what a migration of this source to this destination wrote')
  .option('--yes', 'the layout is read rightly: do not ask')
  .option('--no-verify', 'do not read the source once more to check counts, contents and searches')
  .option('--vectors-prefix <folder>', 'where vectors lie (default: vectors)')
  .option('--files-prefix <folder>', 'where files lie (default: files)')
  .option('--vector-field <name>', 'member with the vector')
  .option('--id-field <name>', 'member with the id')
  .option('--text-field <name>', 'member with the text')
  .option('--metadata-field <name>', 'member with the metadata')
  .option('--metric <metric>', 'cosine, euclidean or dot', 'cosine')
  .option('--from-endpoint <url>', 'S3 endpoint of the source (default: FROM_AWS_ENDPOINT_URL_S3, then that of the bucket)')
  .option('--from-region <region>', 'region of the source (default: FROM_AWS_REGION, then that of the bucket)')
  .option('--to-endpoint <url>', 'S3 Vectors endpoint to write to')
  .option('--to-region <region>', 'region to write to')
  .option('--to-profile <name>', 'profile to write with')
  .option('--parallel <count>', 'steps in flight at once, 1 to 16', '4')
  .addOption(jsonOption())
  .action((source: string | undefined, flags: Flags) =>
    reporting(flags, async () => {
      const { migrate } = await import('./commands/migrate.ts')
      await migrate(source, flags)
    }),
  )

command('import <kind> <from>', 'bring in what another database holds: chroma <url of a server, or its folder>')
  .option('--collection <name>', 'only this one')
  .option('--tenant <name>', 'tenant of a Chroma server', 'default_tenant')
  .option('--database <name>', 'database of a Chroma server (default: all of the tenant)')
  .option('--token <secret>', 'what the server wants: a token, or name:password')
  .addOption(jsonOption())
  .action((kind: string, from: string, flags: Flags) =>
    withBucket(flags, async (session) => {
      const { importFrom } = await import('./commands/import-chroma.ts')
      await importFrom(session, kind, from, flags)
    }),
  )

command('export <collection> <file>', 'write every record to file.jsonl or file.parquet, or as JSON lines to - (standard output)')
  .addOption(jsonOption())
  .action((name: string, path: string, flags: Flags) =>
    withBucket(flags, async (session) => {
      const { exportRecords } = await import('./commands/export-records.ts')
      await exportRecords(session, name, path, flags)
    }),
  )

const excludeOption = () => new Option('--exclude <pattern>', 'leave these out: `*.tmp`, `drafts/**`; repeatable, or one a line').default([]).argParser((value: string, before: string[]) => [...before, value])

for (const direction of ['push', 'pull'] as const) {
  const [usage, description] =
    direction === 'push' ? ['push <folder> <url>', 'send the files of a folder to s3://bucket/prefix as plain objects; only what differs'] : ['pull <url> <folder>', 'bring the objects of s3://bucket/prefix into a folder; only what differs']
  command(usage, description)
    .addOption(excludeOption())
    .option('--concurrency <count>', 'files at once', '40')
    .option('--queue-size <count>', 'files found but not begun, at most', '1000')
    .option('--all', 'also what is the same at both ends')
    .option('--delete', 'delete at the far end what the near end does not have')
    .addOption(jsonOption())
    .action((from: string, to: string, { exclude, ...flags }: Flags & { exclude: string[] }) =>
      reporting(flags, async () => {
        const { transferCommand } = await import('./commands/transfer-files.ts')
        await transferCommand(direction, direction === 'push' ? { folder: from, url: to } : { folder: to, url: from }, flags, exclude)
      }),
    )
}

command('doctor', 'look for what is wrong: credentials, permissions, region, clock, disk, models, servers; and say what mends it')
  .addOption(jsonOption())
  .addOption(configOption())
  .option('--only <check>', 'only this check, and those that it needs; repeatable', each)
  .action(({ only = [], ...flags }: Flags & { only?: string[] }) =>
    reporting(flags, async () => {
      const { examine } = await import('./commands/doctor.ts')
      if (!(await examine(flags, only))) process.exitCode = 1
    }),
  )

addInitCommands(program, version)

program.command('action', { hidden: true }).action(async () => {
  const { runAction } = await import('./commands/action.ts')
  await runAction(process.env)
})

for (const spelling of ['s3vectors', ...awsSpellings]) {
  program
    .command(spelling, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[]) => reporting({}, () => tellAwsCommand(spelling === 's3vectors' ? words : [spelling, ...words])))
}

addModelCommands(program, command)
addAudioCommands(program, command)

command('config', 'every setting, its value and where it came from').action((flags: Flags) => reporting(flags, () => showConfiguration(flags)))

await program.parseAsync()
