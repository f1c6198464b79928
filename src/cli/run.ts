import { errorPolicies, isWindlassError, messageOf } from '../base/errors.ts'
import { documentEngine, engineSettings, loadConfiguration, modelSettings, storeSettings } from '../config/load.ts'
import type { Configuration } from '../config/configuration.ts'
import { settingSpecs, type SettingName } from '../config/settings.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import { openModel } from '../embed/open-model.ts'
import type { DocumentEngine } from '../library/open-engine.ts'
import type { Bucket } from '../library/types.ts'
import { withModelFiles } from './model-store.ts'

/** Options of a command as commander gives them; those named like a setting are that setting. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>

/** What a command is given. */
export interface Session {
  readonly bucket: Bucket
  readonly configuration: Configuration
}

/** The settings, of which the flags are the first source. Contradictions are told on standard error. */
export function configure(flags: Flags): Configuration {
  const configuration = loadConfiguration(settingsOfFlags(flags))
  for (const warning of configuration.warnings) process.stderr.write(`warning: ${warning}\n`)
  return configuration
}

/** The settings that flags are. */
export function settingsOfFlags(flags: Flags): Partial<Record<SettingName, string>> {
  const given = settingSpecs.flatMap(({ name }): [SettingName, string][] => {
    const value = flags[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
    // An option without a value is a setting that is switched on.
    return typeof value === 'string' ? [[name, value]] : value === true ? [[name, 'true']] : []
  })
  return Object.fromEntries(given)
}

/** Opens the configured bucket for `task` and closes it again; an error becomes one line and the exit status of its kind. */
export async function withBucket(flags: Flags, task: (session: Session) => Promise<void>): Promise<void> {
  await reporting(flags, async () => {
    const configuration = configure(flags)
    const bucket = await openBucket(configuration)
    try {
      await task({ bucket, configuration })
    } finally {
      await bucket.close()
    }
  })
}

/** Opens the bucket of `url`, or the configured one, with the configured keys and limits. */
export async function openBucket(configuration: Configuration, url: string = configuration.bucket().url, { documentEngine: engine }: { documentEngine?: DocumentEngine } = {}): Promise<Bucket> {
  const model = modelSettings(configuration)
  // Loaded here: the engine and all parsers take a quarter of a second, which a transfer need not wait for.
  const { open } = await import('../index.ts')
  return open(url, { store: storeSettings(configuration), engine: engineSettings(configuration), ...(engine ? { documentEngine: engine } : documentEngine(configuration)), embeddingModel: () => withModelFiles(configuration, (files) => openModel(model, { files })) })
}

/** As `withBucket`, for what opens no bucket. `--verbose` shows where an error comes from. */
export async function reporting(flags: Flags, task: () => Promise<void>): Promise<void> {
  try {
    await task()
  } catch (error) {
    process.stderr.write(`windlass: ${messageOf(error)}\n`)
    if (flags.verbose || !isWindlassError(error)) writeCauses(error)
    process.exitCode = isWindlassError(error) ? errorPolicies[error.kind].exitCode : 1
  }
}

/** The configured model, loaded. */
export function openConfiguredModel(configuration: Configuration): Promise<EmbeddingModel> {
  const model = modelSettings(configuration)
  return withModelFiles(configuration, (files) => openModel(model, { files }))
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function writeCauses(error: unknown): void {
  for (let each: unknown = error; each instanceof Error; each = each.cause) process.stderr.write(`${each.stack ?? each.message}\n`)
}
