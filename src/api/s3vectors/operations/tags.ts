import type { Operation, OperationContext, Quotas } from '../context.ts'
import { S3VectorsError } from '../errors.ts'
import { partsOfArn } from '../names.ts'
import { getBucket, updateBucket } from '../vector-bucket.ts'
import { getIndex, updateIndex } from '../vector-index.ts'

type Tags = Readonly<Record<string, string>>

const listTagsForResource = async ({ resourceArn }: { resourceArn: string }, context: OperationContext) => {
  const { bucket, index } = partsOfArn(resourceArn, context.account)
  if (index === undefined) return { tags: (await getBucket(bucket, context)).settings.tags }
  return { tags: (await getIndex({ bucket, index }, context)).settings.tags }
}

const tagResource = async ({ resourceArn, tags }: { resourceArn: string; tags: Tags }, context: OperationContext) => {
  await changeTags(resourceArn, (old) => checkTags({ ...old, ...tags }, context.quotas), context)
  return {}
}

const untagResource = async ({ resourceArn, tagKeys }: { resourceArn: string; tagKeys: readonly string[] }, context: OperationContext) => {
  await changeTags(resourceArn, (old) => Object.fromEntries(Object.entries(old).filter(([key]) => !tagKeys.includes(key))), context)
  return {}
}

async function changeTags(arn: string, change: (tags: Tags) => Tags, context: OperationContext): Promise<void> {
  const { bucket, index } = partsOfArn(arn, context.account)
  if (index === undefined) await updateBucket(bucket, ({ tags }) => ({ tags: change(tags) }), context)
  else await updateIndex(await getIndex({ bucket, index }, context), ({ tags }) => ({ tags: change(tags) }))
}

/** @throws {S3VectorsError} `ValidationException` when there are too many. */
export function checkTags(tags: Tags, { tags: tagsMax }: Quotas): Tags {
  const count = Object.keys(tags).length
  if (count > tagsMax) throw new S3VectorsError('ValidationException', `A resource may have at most ${tagsMax} tags, this one would have ${count}`)
  return tags
}

/** Operations on tags of buckets and indexes. */
export const tagOperations = {
  ListTagsForResource: listTagsForResource,
  TagResource: tagResource,
  UntagResource: untagResource,
} satisfies Record<string, Operation>
