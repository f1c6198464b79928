import { toUtf8 } from '../base/bytes.ts'
import { isWindlassError, messageOf } from '../base/errors.ts'
import { partitionOf } from '../aws/iam-documents.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { parseS3Url } from '../store/open-store.ts'
import { isS3, ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'

type Outcome = 'allowed' | 'unknown' | { readonly refusal: string; readonly isDenied: boolean }

const what = { Put: 'written', Get: 'read', List: 'listed', Delete: 'deleted' } as const
type Action = keyof typeof what

/** Put, Get, List and Delete, each by itself, on keys that are gone afterwards. */
export const permissionsCheck: Check = {
  name: 'permissions',
  needs: ['bucket'],
  applies: ({ bucket }) => !/^(memory|https?):/i.test(bucket.url),
  async run(context) {
    const store = await context.probe.store()
    const outcomes = await tryAll(store, context.probe.folder)
    return [...outcomes].map(([action, outcome]) => findingOf(context, action, outcome))
  },
}

async function tryAll(store: ObjectStore, folder: string): Promise<Map<Action, Outcome>> {
  const key = `${folder}/permission`
  const put = await attempt(() => store.put(key, toUtf8('what windlass doctor wrote to see whether it may')))
  let someKey: string | undefined
  const list = await attempt(async () => {
    for await (const found of store.list(put === 'allowed' ? `${folder}/` : '')) {
      someKey = found.key
      break
    }
  })
  const readable = put === 'allowed' ? key : someKey
  let isFound = false
  const read = await attempt(async () => {
    isFound = (await store.get(readable ?? `${folder}/not-there`, { fresh: true })).kind === 'found'
  })
  // Of a key that is not there, "denied" may also be said to one who may read and not list.
  const get = isDenied(read) && readable === undefined && list !== 'allowed' ? 'unknown' : put === 'allowed' && read === 'allowed' && !isFound ? { refusal: `${key} was written, and is not there`, isDenied: false } : read
  // Of a key that is not there the answer is the same.
  const remove = await attempt(() => store.delete([key]))
  return new Map<Action, Outcome>([
    ['Put', put],
    ['Get', get],
    ['List', list],
    ['Delete', remove],
  ])
}

async function attempt(task: () => Promise<unknown>): Promise<Outcome> {
  try {
    await task()
    return 'allowed'
  } catch (error) {
    return { refusal: messageOf(error), isDenied: isWindlassError(error, 'denied') }
  }
}

function isDenied(outcome: Outcome): boolean {
  return typeof outcome === 'object' && outcome.isDenied
}

function findingOf(context: DoctorContext, action: Action, outcome: Outcome): Finding {
  const iam = `s3:${action}${action === 'List' ? 'Bucket' : 'Object'}`
  const title = isS3(context) ? `${action} (${iam})` : action
  if (outcome === 'allowed') return ok(`${title}: objects can be ${what[action]}`)
  if (outcome === 'unknown') return warning(`${title} could not be told: nothing may be written or listed, so there is nothing to read`, { mend: 'grant the others first, then run doctor again' })
  if (!outcome.isDenied || !isS3(context)) return problem(`${title} failed: ${outcome.refusal}`)
  const left = action === 'Delete' ? `; ${context.probe.folder}/permission stays behind` : ''
  return problem(`${title} is refused: ${outcome.refusal}${left}`, { why: consequence[action], mend: `${policyLine(context, iam)}   # a statement for the policy of these credentials; windlass init s3 prints all of it` })
}

const consequence: Readonly<Record<Action, string>> = {
  Put: 'nothing can be stored: models are downloaded each time, and writes fail',
  Get: 'nothing that is stored can be read',
  List: 'missing objects cannot be told from forbidden ones',
  Delete: 'what is replaced is never cleared away, and costs money',
}

/** One statement, for the prefix in use. */
function policyLine({ bucket, configuration }: DoctorContext, iam: string): string {
  const { bucket: name, prefix } = parseS3Url(bucket.url)
  const arn = `arn:${partitionOf(configuration.text('region') ?? '')}:s3:::${name}`
  return JSON.stringify({ Effect: 'Allow', Action: iam, Resource: iam === 's3:ListBucket' ? arn : `${arn}/${prefix === '' ? '' : `${prefix}/`}*` })
}
