import { WindlassError } from '../base/errors.ts'
import { settingSpecs, specOf, type SettingName, type SettingSpec } from './settings.ts'

/** A value, and who said it: `--port`, `AWS_REGION`, `AWS_REGION in .env`, `default`. */
export interface Setting {
  readonly name: SettingName
  readonly value: string | undefined
  readonly origin: string
}

export interface ConfigurationSources {
  /** By setting name; undefined = not given. */
  readonly commandLine?: Partial<Record<SettingName, string | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Variables of the `.env` file. */
  readonly envFile?: Readonly<Record<string, string>>
}

/**
 * All settings, each from the first that names it: command line, environment, `.env`, default. Within one of these, the order of the
 * variables in the table.
 */
export class Configuration {
  /** Contradictions that were resolved by precedence, each naming both sides and the winner. */
  readonly warnings: readonly string[]
  /** Variables of the environment and of `.env`, for what reads its own by name. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly #settings: ReadonlyMap<SettingName, Setting>

  private constructor(settings: Map<SettingName, Setting>, warnings: string[], environment: Readonly<Record<string, string | undefined>>) {
    this.environment = environment
    this.#settings = settings
    this.warnings = warnings
  }

  /** @throws {WindlassError} `invalid`, naming the variable and what is expected. */
  static read({ commandLine = {}, environment, envFile = {} }: ConfigurationSources): Configuration {
    const settings = new Map<SettingName, Setting>()
    const warnings: string[] = []
    for (const spec of settingSpecs as readonly SettingSpec[]) {
      const name = spec.name as SettingName
      const given = [
        ...(commandLine[name] === undefined ? [] : [{ origin: `--${name}`, value: commandLine[name] }]),
        ...spec.variables.flatMap((variable) => (environment[variable] ? [{ origin: variable, value: environment[variable] }] : [])),
        ...spec.variables.flatMap((variable) => (envFile[variable] ? [{ origin: `${variable} in .env`, value: envFile[variable] }] : [])),
      ]
      const [winner] = given
      const loser = given.find(({ origin, value }) => winner && value !== winner.value && !winner.origin.startsWith('--') && origin.split(' ')[0] !== winner.origin)
      if (winner && loser) warnings.push(`${winner.origin} and ${loser.origin} differ: ${winner.origin} is used`)
      const setting = { name, ...(winner ?? { origin: 'default', value: spec.default }) }
      checkValue(spec, setting)
      settings.set(name, setting)
    }
    return new Configuration(settings, warnings, { ...envFile, ...environment })
  }

  /** Every setting, in the order of the table; secrets are masked. */
  list(): Setting[] {
    return [...this.#settings.values()].map((setting) => {
      if (!specOf(setting.name).secret || setting.value === undefined) return setting
      return { ...setting, value: `${'*'.repeat(8)} (${setting.value.length} characters)` }
    })
  }

  text(name: SettingName): string | undefined {
    const value = this.#settings.get(name)!.value
    return value === '' ? undefined : value
  }

  origin(name: SettingName): string {
    return this.#settings.get(name)!.origin
  }

  boolean(name: SettingName): boolean | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : parseBoolean(value)!
  }

  /** A whole number, or a size in bytes. */
  number(name: SettingName): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    return specOf(name).type === 'bytes' ? parseBytes(value)! : Number(value)
  }

  items(name: SettingName): string[] {
    return (this.text(name) ?? '').split(',').map((item) => item.trim()).filter((item) => item !== '')
  }

  /** Whether both names of an S3 Vectors application are set, and no other collection is asked for. */
  hasVectorIndex(): boolean {
    return this.origin('collection') === 'default' && this.text('s3-vector-bucket') !== undefined && this.text('s3-vector-index') !== undefined
  }

  /** The collection that `index` and `search` use. */
  collection(): string {
    return this.hasVectorIndex() ? `${this.text('s3-vector-bucket')}/${this.text('s3-vector-index')}` : this.text('collection')!
  }

  /** The bucket's URL, and where that came from. */
  bucket(): { url: string; origin: string } {
    const url = this.text('bucket')
    if (url !== undefined) return { url, origin: this.origin('bucket') }
    const name = this.text('s3-bucket')
    if (name !== undefined && this.boolean('s3-enabled')) {
      const prefix = (this.text('s3-prefix') ?? '').replace(/^\/+|\/+$/g, '')
      return { url: `s3://${name}${prefix === '' ? '' : `/${prefix}`}`, origin: this.origin('s3-bucket') }
    }
    return { url: 'file:./.windlass', origin: 'default' }
  }
}

function checkValue(spec: SettingSpec, { value, origin }: Setting): void {
  if (value === undefined || value === '') return
  const expected = expectedBy(spec, value)
  if (expected === null) return
  const shown = spec.secret ? 'its value' : JSON.stringify(value)
  throw new WindlassError('invalid', `${origin}: ${shown} is not ${expected}`, { path: spec.name })
}

/** What a value should have been; null when it is right. */
function expectedBy(spec: SettingSpec, value: string): string | null {
  switch (spec.type) {
    case 'boolean':
      return parseBoolean(value) === null ? 'true or false' : null
    case 'integer':
      return isWithin(value, spec) ? null : `a whole number from ${spec.minimum ?? 0}${spec.maximum === undefined ? '' : ` to ${spec.maximum}`}${spec.unit ? ` (${spec.unit})` : ''}`
    case 'bytes':
      return parseBytes(value) === null ? 'a size like 512MiB, 2GiB or 1000000' : null
    case 'choice':
      return spec.choices!.includes(value) ? null : `one of ${spec.choices!.join(', ')}`
    case 'url':
      return /^[a-z0-9]+:/i.test(value) ? null : 'a URL'
    default:
      return null
  }
}

function isWithin(value: string, { minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: SettingSpec): boolean {
  return /^\d+$/.test(value) && Number(value) >= minimum && Number(value) <= maximum
}

function parseBoolean(value: string): boolean | null {
  if (/^(true|1|yes|on)$/i.test(value)) return true
  return /^(false|0|no|off)$/i.test(value) ? false : null
}

function parseBytes(value: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(B|[KMGT]i?B?)?$/i.exec(value)
  if (!match) return null
  const unit = (match[2] ?? 'B').toUpperCase()
  const power = ' KMGT'.indexOf(unit[0]!)
  const base = unit.includes('I') || unit.length === 1 ? 1024 : 1000
  return Math.round(Number(match[1]) * (power <= 0 ? 1 : base ** power))
}
