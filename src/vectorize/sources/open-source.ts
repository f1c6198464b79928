import { resolve } from 'node:path'
import { systemClock, type Clock } from '../../base/clock.ts'
import { systemRandom, type Random } from '../../base/random.ts'
import { openStore, parseS3Url, type StoreSettings } from '../../store/open-store.ts'
import type { SourceDeclaration } from '../declaration/declaration.ts'
import { expandSource, variableOf, type Environment } from '../declaration/variables.ts'
import { BucketSource } from './bucket-source.ts'
import { FolderSource } from './folder-source.ts'
import { GitSource } from './git-source.ts'
import type { Source } from './source.ts'
import { UrlSource } from './url-source.ts'

/** What a declaration leaves to the process that opens it. */
export interface SourceContext {
  /** Where the variables are that the declaration names. */
  readonly environment: Environment
  /** Endpoint, region and keys for buckets that declare none of their own. */
  readonly storeSettings?: StoreSettings
  /** Where relative paths start; default: the working directory. */
  readonly folder?: string
  readonly clock?: Clock
  readonly random?: Random
  /** Of the source in its declaration, for messages: `vectorizers[0].source`. */
  readonly where?: string
}

/**
 * Opens a declared source. Contacts nobody yet.
 * @throws {WindlassError} `invalid` for a variable that is not set, by its name; secrets are never shown.
 */
export async function openSource(declared: SourceDeclaration, { environment, storeSettings = {}, folder = process.cwd(), clock = systemClock, random = systemRandom, where = 'source' }: SourceContext): Promise<Source> {
  const declaration = expandSource(declared, environment, where)
  switch (declaration.type) {
    case 's3': {
      const { url, include, exclude } = declaration
      const { bucket, prefix } = parseS3Url(url)
      const store = await openStore(`s3://${bucket}`, { ...settingsOf(declaration, { environment, storeSettings, where }), clock, random })
      return new BucketSource(store, { prefix, include, exclude, ownsStore: true })
    }
    case 'folder': {
      const { path, hidden, include, exclude } = declaration
      return new FolderSource(resolve(folder, path), { hidden, include, exclude, clock })
    }
    case 'git': {
      const { path, ref, include, exclude } = declaration
      return new GitSource(resolve(folder, path), { ref, include, exclude })
    }
    case 'urls': {
      const { urls, sitemap, maxBytes, include, exclude } = declaration
      const place = sitemap === undefined || /^https?:\/\//i.test(sitemap) ? sitemap : resolve(folder, sitemap)
      return new UrlSource({ urls, sitemap: place, maxBytes, include, exclude, clock, random })
    }
  }
}

/** Keys that are declared replace those of the process, all of them: a session token goes with its keys only. */
function settingsOf(declaration: Extract<SourceDeclaration, { type: 's3' }>, { environment, storeSettings, where }: { environment: Environment; storeSettings: StoreSettings; where: string }): StoreSettings {
  const { endpoint, region, accessKeyIdVariable, secretAccessKeyVariable, sessionTokenVariable } = declaration
  const { accessKeyId: _id, secretAccessKey: _secret, sessionToken: _token, ...places } = storeSettings
  const secret = (name: string, field: string) => variableOf(name, environment, `${where}.${field}`)
  const keys =
    accessKeyIdVariable === undefined || secretAccessKeyVariable === undefined
      ? storeSettings
      : {
          accessKeyId: secret(accessKeyIdVariable, 'accessKeyIdVariable'),
          secretAccessKey: secret(secretAccessKeyVariable, 'secretAccessKeyVariable'),
          ...(sessionTokenVariable !== undefined && { sessionToken: secret(sessionTokenVariable, 'sessionTokenVariable') }),
        }
  return { ...places, ...keys, ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) }
}
