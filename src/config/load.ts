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

/** What opening a store needs of the settings. */
export function storeSettings(configuration: Configuration): StoreSettings {
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

/** What the engine needs of the settings, by the names of its own settings. */
export function engineSettings(configuration: Configuration): { memoryBudgetBytes: number; refreshIntervalMs: number; recallSample: number } {
  return {
    memoryBudgetBytes: configuration.number('memory-budget')!,
    refreshIntervalMs: configuration.number('refresh-interval')! * 1000,
    recallSample: configuration.number('recall-sample')!,
  }
}

const dimensionsOfModels = new Map([['static-384', 384]])

/**
 * Whether the configured model is one that is here, and of the configured dimension.
 * @throws {WindlassError} `unsupported` for a model that is not built in, `invalid` for a dimension that is not the model's.
 */
export function checkModel(configuration: Configuration): void {
  const wanted = configuration.text('embedding-model')!
  const expected = dimensionsOfModels.get(wanted)
  if (expected === undefined) {
    throw new WindlassError('unsupported', `${configuration.origin('embedding-model')}: model ${JSON.stringify(wanted)} is not available: use ${[...dimensionsOfModels.keys()].join(', ')}`, { path: 'embedding-model' })
  }
  const dimension = configuration.number('dimension')
  if (dimension !== undefined && dimension !== expected) {
    throw new WindlassError('invalid', `${configuration.origin('dimension')} is ${dimension}, model ${wanted} has ${expected}: unset it, or choose a model that has it`, { path: 'dimension' })
  }
}

function readEnvFile(path: string): Record<string, string> {
  try {
    return parse(readFileSync(path))
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return {}
    throw new WindlassError('invalid', `${path} cannot be read: ${(error as Error).message}`, { path, cause: error })
  }
}
