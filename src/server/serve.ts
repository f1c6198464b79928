import { openModel } from '../embed/open-model.ts'
import { getConnInfo } from '@hono/node-server/conninfo'
import { systemClock, type Clock } from '../base/clock.ts'
import { messageOf, WindlassError } from '../base/errors.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { documentEngine, engineSettings, modelSettings, modelStoreSettings, storeSettings } from '../config/load.ts'
import type { Configuration } from '../config/configuration.ts'
import { open, type Vectorizer } from '../index.ts'
import { EventDoor } from '../library/event-door.ts'
import type { Bucket } from '../library/types.ts'
import type { ApiContext } from '../api/context.ts'
import { BodyBudget } from '../api/request-body.ts'
import { isLoopback } from '../api/request-guard.ts'
import { audioSettings } from '../config/audio.ts'
import { openParts } from '../audio/open-parts.ts'
import { AudioDoor } from './audio-door.ts'
import { ensureDefaultCollection } from './default-collection.ts'
import { embeddingFiles } from '../models/embedding-files.ts'
import { defaultHub } from '../models/open-model-store.ts'
import { KeyRing } from './key-ring.ts'
import { createLog, type Log, type LogLevel } from './log.ts'
import { Metrics } from './metrics.ts'
import { isOwnDoor, ModelDoor } from './model-door.ts'
import { ScratchSpace } from './scratch.ts'
import { Semaphore } from './semaphore.ts'
import { createApp, listen } from './server.ts'

/** A running server. */
export interface RunningServer {
  readonly url: string
  readonly port: number
  readonly log: Log
  /** Finishes what is in work, flushes, removes scratch space. */
  stop(): Promise<void>
}

// Parsing and embedding are work for the processor: more at once only takes more memory.
const indexingMax = 2
const indexingWaitingMax = 200
const drainMs = 30_000
// As AWS has it where none is set; an S3 store whose region is `auto` has none either.
const defaultRegion = 'us-east-1'

/**
 * Serves every door of the configured bucket on one port.
 * @param options.vectorizers Those that events may be handed in for, and that the console shows.
 * @param options.consoleFolder Where the console was built, if not where it belongs.
 * @throws {WindlassError} `invalid` for a configuration that cannot be served, `unavailable` when the port is taken.
 */
export async function serve(configuration: Configuration, { version, vectorizers = () => [], consoleFolder }: { version: string; vectorizers?: (bucket: Bucket) => readonly Vectorizer[]; consoleFolder?: string }): Promise<RunningServer> {
  const clock = systemClock
  const random = systemRandom
  const host = configuration.text('host')!
  const log = createLog({
    level: configuration.text('log-level') as LogLevel,
    format: configuration.text('log-format') as 'text' | 'json',
    write: (line) => process.stderr.write(line),
    clock,
  })
  const keys = new KeyRing(configuration.text('keys'), { clock, log })
  if (keys.keys().length === 0 && !isLoopback(host)) {
    throw new WindlassError('invalid', `listening on ${host} without keys would open the bucket to the network: set WINDLASS_KEYS, or listen on 127.0.0.1`, { path: 'host' })
  }
  const folder = configuration.text('scratch')
  const model = modelSettings(configuration)
  const scratch = new ScratchSpace({ ...(folder !== undefined && { folder }), budgetBytes: configuration.number('scratch-budget')! }, random)
  await scratch.sweep()
  const models = openModelDoor(configuration, { clock, random, log })
  const bucket = await open(configuration.bucket().url, { store: storeSettings(configuration), engine: engineSettings(configuration), ...documentEngine(configuration), diskCache: { budgetBytes: configuration.number('disk-cache')!, ...(folder !== undefined && { folder }) }, embeddingModel: () => openModel(model, { clock, random, files: embeddingFiles(() => models.store()) }), clock, random })
  await ensureDefaultCollection(bucket, configuration)
  if (configuration.boolean('preload')) await preload(bucket, log)
  const metrics = new Metrics(bucket, { scratchBytes: () => scratch.usedBytes, modelState: () => models.state() })
  const indexing = new Semaphore(indexingMax, indexingWaitingMax)
  const declared = vectorizers(bucket)
  const events = new EventDoor(declared, clock)
  let ready = true
  const audio = openAudioDoor(configuration, bucket, models, { clock, random, log })
  const context: ApiContext = {
    bucket,
    keys,
    scratch,
    bodies: new BodyBudget(),
    allowedHosts: configuration.items('allowed-hosts'),
    corsOrigins: configuration.items('cors-origins'),
    uploadBytesMax: configuration.number('upload-limit')!,
    clock,
    random,
    indexing: (task) => indexing.run(task),
    vectorizers: declared,
    audio,
    models: () => models.store(),
    applyEvents: (name, message) => events.apply(name, message),
    isReady: () => ready,
    modelChecks: () => models.checks(),
    metrics: async () => ({ text: await metrics.text(), contentType: metrics.contentType }),
    version,
  }
  const onFault = (error: unknown, requestId: string) => log.error(messageOf(error), { requestId, stack: error instanceof Error ? error.stack : undefined })
  const app = createApp(context, {
    log,
    consoleFolder,
    metrics,
    hub: { models: () => models.store(), keys: () => keys.keys(), clock, onFault: (error) => log.error(messageOf(error)) },
    chroma: { allowReset: configuration.boolean('allow-reset') === true, consistency: configuration.text('consistency') as 'strong' | 'eventual', onFault },
    s3vectors: {
      account: { region: regionOf(configuration), accountId: checkAccountId(configuration.text('account-id')!) },
      connectionOf: (c) => ({ sourceIp: getConnInfo(c).remote.address ?? '', isSecure: false }),
      onFault,
    },
  })
  const listening = await listen((request, connection) => app.fetch(request, connection as never), { host, port: configuration.number('port')!, context })
  // What a process before this one has left.
  audio.wake()
  let stopping: Promise<void> | null = null
  const stop = async () => {
    ready = false
    await listening.drain(drainMs)
    await events.close()
    await audio.close()
    await bucket.close()
    await models.close()
    await scratch.close()
  }
  return { url: listening.url, port: listening.port, log, stop: () => (stopping ??= stop()) }
}

/** Recordings are worked on with the models that the settings name, which the model store brings. */
function openAudioDoor(configuration: Configuration, bucket: Bucket, models: ModelDoor, { clock, random, log }: { clock: Clock; random: Random; log: Log }): AudioDoor {
  const settings = audioSettings(configuration)
  const parts = () => openParts(settings, embeddingFiles(() => models.store()), { clock, random })
  return new AudioDoor(settings.collection, () => bucket.audio({ collection: settings.collection, scratch: settings.scratch, parts }), log)
}

/** The applications of this machine may be told of the door by the same variable: the server must not ask itself. */
function openModelDoor(configuration: Configuration, shared: { clock: Clock; random: Random; log: Log }): ModelDoor {
  const settings = modelStoreSettings(configuration)
  if (!settings.hub || !isOwnDoor(settings.hub.endpoint, configuration.number('port')!)) return new ModelDoor(settings, shared)
  shared.log.warn(`${configuration.origin('hf-endpoint')} is this server itself: models come from ${defaultHub}; WINDLASS_HF_ENDPOINT names another hub`)
  return new ModelDoor({ ...settings, hub: { ...settings.hub, endpoint: defaultHub } }, shared)
}

/** Reads every collection, one after the other: together they would only evict each other. */
async function preload(bucket: Bucket, log: Log): Promise<void> {
  for (let after: string | undefined; ; ) {
    const { collections, next } = await bucket.listCollections({ limit: 1000, ...(after !== undefined && { after }) })
    for (const { id, name } of collections) {
      await bucket
        .collectionById(id)
        .then((collection) => collection.preload())
        .catch((error: unknown) => log.error(`${name} was not read ahead: ${messageOf(error)}`))
    }
    if (next === undefined) return
    after = next
  }
}

function regionOf(configuration: Configuration): string {
  const region = configuration.text('region')
  return region === undefined || region === 'auto' ? defaultRegion : region
}

function checkAccountId(accountId: string): string {
  if (!/^\d{12}$/.test(accountId)) throw new WindlassError('invalid', `account-id is ${JSON.stringify(accountId)}, expected 12 digits`, { path: 'account-id' })
  return accountId
}
