import { awsAccess, endpointOf, regionOf } from '../aws/access.ts'
import { Sts } from '../aws/sts.ts'
import { messageOf } from '../base/errors.ts'
import { storeSettings } from '../config/load.ts'
import type { FoundKeys } from './bucket-probe.ts'
import { isS3, ok, problem, type Check, type DoctorContext, type Finding } from './check.ts'
import { maskKeyId } from './mask.ts'

// What the SDK notes of where it found keys (its user agent has them as features); the last noted is the first asked.
const sources: readonly (readonly [feature: string, text: string])[] = [
  ['CREDENTIALS_IMDS', 'the role of this instance (instance metadata)'],
  ['CREDENTIALS_HTTP', 'the role of this container (AWS_CONTAINER_CREDENTIALS_…)'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'a web identity (AWS_WEB_IDENTITY_TOKEN_FILE)'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_PROCESS', 'a program (credential_process)'],
  ['CREDENTIALS_PROFILE', 'the shared AWS files'],
  ['CREDENTIALS_ENV_VARS', 'the environment'],
]

// Enough for who it is, which is good to know and not needed: a private network may have no way to STS.
const nameTimeoutMs = 3_000

/** Whose keys the bucket is asked with, where they come from, and whether the store knows them. */
export const credentialsCheck: Check = {
  name: 'credentials',
  // The chain, the store, and STS, one after another.
  timeoutMs: 25_000,
  applies: isS3,
  async run(context) {
    const { configuration } = context
    const [id, secret] = [configuration.text('access-key-id'), configuration.text('secret-access-key')]
    if ((id === undefined) !== (secret === undefined)) {
      const [given, missing] = id === undefined ? [configuration.origin('secret-access-key'), 'AWS_ACCESS_KEY_ID'] : [configuration.origin('access-key-id'), 'AWS_SECRET_ACCESS_KEY']
      return [problem(`${given} is set, and ${missing} is not`, { why: 'a key has two halves', mend: `${missing}=…   # in .env or the environment, or unset ${given}` })]
    }
    // Refuses keys that do not expire, where the operator wants none.
    storeSettings(configuration)
    const known = id === undefined ? await findInChain(context) : null
    if (known && 'level' in known) return [known]
    const origin = known ? known.origin : `${configuration.origin('access-key-id')} and ${configuration.origin('secret-access-key')}`
    const keyId = known ? known.found.accessKeyId : id!
    const blanks = id === undefined ? [] : blanksIn(context)
    const { error } = await context.probe.contact()
    if (error?.kind === 'unauthenticated' && !/clock/.test(error.message)) {
      return [...blanks, problem(`key ${maskKeyId(keyId)} of ${origin} is not taken: ${error.message}`, { why: remark(error.message), mend: `aws sts get-caller-identity   # with the same variables: whose key is it?\nwindlass config              # what is read, and from where` })]
    }
    const isTemporary = known ? known.found.sessionToken !== undefined : configuration.text('session-token') !== undefined
    const who = error ? undefined : await principalOf(context, known?.found)
    return [...blanks, ok(`key ${maskKeyId(keyId)} of ${origin}${isTemporary ? ', with a session token' : ''}${who === undefined ? '' : `: ${who}`}`)]
  },
}

function blanksIn({ configuration }: DoctorContext): Finding[] {
  return (['access-key-id', 'secret-access-key', 'session-token'] as const)
    .filter((name) => /^\s|\s$/.test(configuration.text(name) ?? ''))
    .map((name) => problem(`${configuration.origin(name)} begins or ends with a blank or a line break`, { why: 'the signature is made with it', mend: `set ${configuration.origin(name).split(' ')[0]} again, without it` }))
}

async function findInChain({ configuration, probe, processEnvironment }: DoctorContext): Promise<{ found: FoundKeys; origin: string } | Finding> {
  try {
    const found = await probe.chain()
    const [, text = 'the AWS default chain'] = sources.find(([feature]) => found.$source && feature in found.$source) ?? []
    return { found, origin: text === 'the shared AWS files' ? `profile ${processEnvironment.AWS_PROFILE ?? 'default'} of the shared AWS files` : text }
  } catch (error) {
    return problem(`no credentials were found: ${messageOf(error)}`, {
      why: `asked in this order: the environment and .env (AWS_ACCESS_KEY_ID), profile ${processEnvironment.AWS_PROFILE ?? 'default'} of ~/.aws, web identity, container, instance metadata`,
      mend: `AWS_ACCESS_KEY_ID=…\nAWS_SECRET_ACCESS_KEY=…   # in .env or the environment${configuration.text('endpoint') === undefined ? '\naws configure             # or: a profile, chosen with AWS_PROFILE' : ''}`,
    })
  }
}

function remark(message: string): string {
  if (/access key id is not known/.test(message)) return 'the key was deleted, is of another account or store, or the endpoint is another than the one it was made for'
  if (/expired/.test(message)) return 'temporary keys hold for some hours only'
  return 'the secret is not that of this key id, or was cut when it was copied'
}

/** As AWS says, in time; of other stores nobody is asked. */
async function principalOf({ configuration, clock, random }: DoctorContext, found: FoundKeys | undefined): Promise<string | undefined> {
  const { environment } = configuration
  if (!awsAccess(environment, { clock, random }).canAskWho() || configuration.text('endpoint') !== undefined) return undefined
  const { accessKeyId, secretAccessKey, sessionToken } = found ?? storeSettings(configuration)
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  const region = regionOf(environment)
  const sts = new Sts({ region, endpoint: endpointOf('sts', region, environment), clock, random })
  const [late, done] = [new AbortController(), new AbortController()]
  clock.sleep(nameTimeoutMs, done.signal).then(() => late.abort(), () => undefined)
  try {
    return await sts.callerArn({ accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }, late.signal)
  } catch {
    return undefined
  } finally {
    done.abort()
  }
}
