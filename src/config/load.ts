import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { WindlassError } from '../base/errors.ts'
import type { StoreSettings } from '../store/open-store.ts'
import { Configuration } from './configuration.ts'
import type { SettingName } from './settings.ts'

/** Settings of this process: command line, environment, `.env` of the working directory. */
export function loadConfiguration(commandLine: Partial<Record<SettingName, string | undefined>> = {}): Configuration {
  return Configuration.read({ commandLine, environment: process.env, envFile: readEnvFile('.env') })
}

/** What opening a store needs of the settings. @throws {WindlassError} `denied` for keys that the policy forbids. */
export function storeSettings(configuration: Configuration): StoreSettings {
  const keyId = configuration.text('access-key-id')
  if (keyId !== undefined && configuration.text('session-token') === undefined && configuration.text('static-keys') === 'forbid') {
    throw new WindlassError('denied', `${configuration.origin('access-key-id')}: key ${keyId} does not expire, and static-keys is forbid (WINDLASS_STATIC_KEYS): use a role, SSO, or keys with a session token`, { path: 'access-key-id' })
  }
  const fields = {
    endpoint: configuration.text('endpoint'),
    region: configuration.text('region'),
    accessKeyId: configuration.text('access-key-id'),
    secretAccessKey: configuration.text('secret-access-key'),
    sessionToken: configuration.text('session-token'),
    forcePathStyle: configuration.boolean('path-style'),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** The engine that keeps documents instead of the bucket, as an option of `open`. */
export function documentEngine(configuration: Configuration): { documentEngine?: { line: string; environment: Readonly<Record<string, string | undefined>> } } {
  const line = configuration.text('engine')
  return line === undefined ? {} : { documentEngine: { line, environment: configuration.environment } }
}

/** What the engine needs of the settings, by the names of its own settings. */
export function engineSettings(configuration: Configuration): { memoryBudgetBytes: number; refreshIntervalMs: number; recallSample: number } {
  return {
    memoryBudgetBytes: configuration.number('memory-budget')!,
    refreshIntervalMs: configuration.number('refresh-interval')! * 1000,
    recallSample: configuration.number('recall-sample')!,
  }
}

/** What opening the model store needs of the settings; `models/open-model-store` takes it as it is. */
export interface ModelStorePlace {
  readonly bucket: string
  readonly store: StoreSettings
  readonly folder?: string
  readonly budgetBytes: number
  readonly keepLocal: boolean
  readonly hub: { readonly endpoint: string; readonly token?: string } | null
}

/** Where models are kept and come from. */
export function modelStoreSettings(configuration: Configuration): ModelStorePlace {
  const [folder, token] = [configuration.text('model-cache'), configuration.text('hf-token')]
  return {
    bucket: configuration.bucket().url,
    store: storeSettings(configuration),
    ...(folder !== undefined && { folder }),
    budgetBytes: configuration.number('model-cache-budget')!,
    keepLocal: configuration.boolean('model-keep')!,
    hub: configuration.boolean('hf-offline') ? null : { endpoint: configuration.text('hf-endpoint')!, ...(token !== undefined && { token }) },
  }
}

/** What opening the embedding model needs of the settings. */
export interface ModelSettings {
  /** `static-384`, `openai:` and a name, or a sentence-transformer: `all-MiniLM-L6-v2`, `owner/name[@revision]`. */
  readonly name: string
  /** Of a sentence-transformer. */
  readonly weights?: 'fp32' | 'fp16' | 'q8'
  readonly dimension?: number
  readonly apiKey?: string
  readonly baseUrl?: string
}

// Of other models the dimension is known when they are opened.
const dimensionsOfModels = new Map([
  ['static-384', 384],
  ['all-MiniLM-L6-v2', 384],
  ['all-MiniLM-L12-v2', 384],
  ['all-mpnet-base-v2', 768],
  ['multi-qa-MiniLM-L6-cos-v1', 384],
  ['paraphrase-multilingual-MiniLM-L12-v2', 384],
])

/**
 * The configured model.
 * @throws {WindlassError} `unsupported` for a name that is none of a model, `invalid` for a dimension that is not the
 * model's, `unauthenticated` where a key is missing.
 */
export function modelSettings(configuration: Configuration): ModelSettings {
  const given = configuration.text('embedding-model')!
  // As OpenAI's own names are mostly given.
  const name = given.startsWith('text-embedding-') ? `openai:${given}` : given
  const dimension = configuration.number('dimension')
  const [apiKey, baseUrl] = [configuration.text('openai-api-key'), configuration.text('openai-base-url')]
  const expected = dimensionsOfModels.get(name)
  const isOpenAi = name.startsWith('openai:')
  if (expected === undefined && !isOpenAi && !/^[\w.-]+\/[\w.-]+(@\S+)?$/.test(name)) {
    throw new WindlassError('unsupported', `${configuration.origin('embedding-model')}: model ${JSON.stringify(name)} is not available: use ${[...dimensionsOfModels.keys()].join(', ')}, openai:<model>, or owner/name of a sentence-transformer in ONNX`, { path: 'embedding-model' })
  }
  if (expected !== undefined && dimension !== undefined && dimension !== expected) {
    throw new WindlassError('invalid', `${configuration.origin('dimension')} is ${dimension}, model ${name} has ${expected}: unset it, or choose a model that has it`, { path: 'dimension' })
  }
  if (isOpenAi && apiKey === undefined && baseUrl === undefined) throw new WindlassError('unauthenticated', `model ${name} needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own`, { path: 'openai-api-key' })
  const weights = configuration.text('embedding-dtype') as ModelSettings['weights']
  return { name, ...(weights !== undefined && { weights }), ...(dimension !== undefined && { dimension }), ...(apiKey !== undefined && { apiKey }), ...(baseUrl !== undefined && { baseUrl }) }
}

function readEnvFile(path: string): Record<string, string> {
  try {
    return parse(readFileSync(path))
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return {}
    throw new WindlassError('invalid', `${path} cannot be read: ${(error as Error).message}`, { path, cause: error })
  }
}
