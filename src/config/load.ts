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

function readEnvFile(path: string): Record<string, string> {
  try {
    return parse(readFileSync(path))
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return {}
    throw new WindlassError('invalid', `${path} cannot be read: ${(error as Error).message}`, { path, cause: error })
  }
}
