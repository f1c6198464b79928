import { resolve } from 'node:path'
import { awsAccess, type GivenKeys } from '../../aws/access.ts'
import type { CredentialSource } from '../../aws/credentials.ts'
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
  /** Of whom the source is: names the sessions of roles in the logs of the account that owns them. */
  readonly vectorizer?: string
  /** Of the source in its declaration, for messages: `vectorizers[0].source`. */
  readonly where?: string
}

/**
 * Opens a declared source. Contacts nobody yet.
 * @throws {WindlassError} `invalid` for a variable that is not set, by its name; secrets are never shown.
 */
export async function openSource(declared: SourceDeclaration, { environment, storeSettings = {}, folder = process.cwd(), clock = systemClock, random = systemRandom, vectorizer, where = 'source' }: SourceContext): Promise<Source> {
  const declaration = expandSource(declared, environment, where)
  switch (declaration.type) {
    case 's3': {
      const { url, include, exclude } = declaration
      const { bucket, prefix } = parseS3Url(url)
      const store = await openStore(`s3://${bucket}`, { ...storeSettingsOf(declaration, { environment, storeSettings, clock, random, where, ...(vectorizer !== undefined && { vectorizer }) }), clock, random })
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
    case 'postgres': {
      const { openPostgresSource } = await import('../postgres/open-postgres.ts')
      return openPostgresSource(declaration, { environment, storeSettings, folder, clock, random, vectorizer, where })
    }
    case 'urls': {
      const { urls, sitemap, maxBytes, include, exclude } = declaration
      const place = sitemap === undefined || /^https?:\/\//i.test(sitemap) ? sitemap : resolve(folder, sitemap)
      return new UrlSource({ urls, sitemap: place, maxBytes, include, exclude, clock, random })
    }
  }
}

type S3Declaration = Extract<SourceDeclaration, { type: 's3' }>

/**
 * How a declared bucket is reached. Keys that are declared replace those of the process, all of them: a session token goes with its keys
 * only. A role is taken with either.
 * @param declaration Its variables are replaced already.
 * @throws {WindlassError} `invalid` for a variable that is not set, `invalid` and `denied` for what the policy of the process forbids.
 */
export function storeSettingsOf(declaration: S3Declaration, context: AccessContext): StoreSettings {
  const { endpoint, region } = declaration
  const { accessKeyId: _id, secretAccessKey: _secret, sessionToken: _token, ...places } = context.storeSettings
  return { ...places, credentials: sourceCredentials(declaration, context), ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) }
}

type AccessContext = Required<Pick<SourceContext, 'environment' | 'storeSettings' | 'clock' | 'random' | 'where'>> & Pick<SourceContext, 'vectorizer'>

/** Whom a declared bucket is read as: the role, or the declared keys, or those of the process. @throws as `storeSettingsOf`. */
export function sourceCredentials(declaration: S3Declaration, { environment, storeSettings, clock, random, where, vectorizer }: AccessContext): CredentialSource {
  const access = awsAccess(environment, { clock, random })
  const declared = declaredKeys(declaration, environment, where)
  const own = !declared && storeSettings.credentials ? storeSettings.credentials : access.own(declared ?? givenKeys(storeSettings))
  const role = roleOf(declaration)
  if (role === undefined) {
    const isElsewhere = (declaration.endpoint ?? storeSettings.endpoint) !== undefined && !environment.AWS_ENDPOINT_URL_STS
    // Another store's keys are not shown to AWS, only to find out whose they are.
    return isElsewhere ? { ...own, principal: async () => `the owner of key ${(await own.get()).accessKeyId}` } : own
  }
  const externalId = externalIdOf(declaration, environment, where)
  return access.role({ role, ...(declaration.via && { via: declaration.via }), ...(externalId !== undefined && { externalId }), ...(vectorizer !== undefined && { sessionName: `windlass-${vectorizer}` }) }, own)
}

/** The role of a source, under whichever of its names. */
export function roleOf({ role, aws_role_arn, assume_role_arn }: S3Declaration): string | undefined {
  return role ?? aws_role_arn ?? assume_role_arn
}

/** The external id of a source. @throws {WindlassError} `invalid` for a variable that is not set. */
export function externalIdOf({ externalId, externalIdVariable }: S3Declaration, environment: Environment, where = 'source'): string | undefined {
  if (externalIdVariable !== undefined) return variableOf(externalIdVariable, environment, `${where}.externalIdVariable`)
  return externalId ?? (environment.AWS_ASSUME_ROLE_EXTERNAL_ID || undefined)
}

function declaredKeys({ accessKeyIdVariable, secretAccessKeyVariable, sessionTokenVariable }: S3Declaration, environment: Environment, where: string): GivenKeys | undefined {
  if (accessKeyIdVariable === undefined || secretAccessKeyVariable === undefined) return undefined
  const secret = (name: string, field: string) => variableOf(name, environment, `${where}.${field}`)
  return {
    accessKeyId: secret(accessKeyIdVariable, 'accessKeyIdVariable'),
    secretAccessKey: secret(secretAccessKeyVariable, 'secretAccessKeyVariable'),
    ...(sessionTokenVariable !== undefined && { sessionToken: secret(sessionTokenVariable, 'sessionTokenVariable') }),
  }
}

function givenKeys({ accessKeyId, secretAccessKey, sessionToken }: StoreSettings): GivenKeys | undefined {
  return accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
}
