import type { PolicyDocument } from './iam-documents.ts'

const objectActions = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'] as const

/**
 * All that Windlass needs of the bucket that it keeps everything in: four actions. Listing is not narrowed to the prefix: where it is,
 * S3 says "denied" instead of "missing" of every key that is not there, and each such answer costs a listing.
 */
export function storePolicy({ partition, bucket, prefix }: { partition: string; bucket: string; prefix: string }): PolicyDocument {
  const arn = `arn:${partition}:s3:::${bucket}`
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'ListBucket', Effect: 'Allow', Action: 's3:ListBucket', Resource: arn },
      { Sid: 'KeepObjects', Effect: 'Allow', Action: objectActions, Resource: `${arn}/${prefix === '' ? '' : `${prefix}/`}*` },
    ],
  }
}

interface VectorPolicyNeeds {
  readonly partition: string
  readonly region: string
  /** `*` where it is not known. */
  readonly account: string
  readonly bucket: string
  readonly index: string
}

/** What writing to and asking an index of S3 Vectors takes. A query that returns or filters by metadata needs GetVectors too. */
export function vectorPolicy({ partition, region, account, bucket, index }: VectorPolicyNeeds): PolicyDocument {
  const arn = `arn:${partition}:s3vectors:${region}:${account}:bucket/${bucket}`
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'FindBucket', Effect: 'Allow', Action: ['s3vectors:GetVectorBucket', 's3vectors:ListIndexes'], Resource: arn },
      {
        Sid: 'UseIndex',
        Effect: 'Allow',
        Action: ['s3vectors:GetIndex', 's3vectors:PutVectors', 's3vectors:GetVectors', 's3vectors:ListVectors', 's3vectors:DeleteVectors', 's3vectors:QueryVectors'],
        Resource: `${arn}/index/${index}`,
      },
    ],
  }
}

/** The simple one of many guides: everything of S3 Vectors, in all buckets. */
export function wideVectorPolicy(): PolicyDocument {
  return { Version: '2012-10-17', Statement: [{ Sid: 'AllOfS3Vectors', Effect: 'Allow', Action: 's3vectors:*', Resource: '*' }] }
}

/** Commands that make a user with a policy, and a key for it: for whoever has no role to attach the policy to. */
export function userCommands(userName: string, policy: PolicyDocument): string[] {
  const user = userName.replace(/[^\w+=,.@-]/g, '-').slice(0, 64)
  return [
    `aws iam create-user --user-name ${user}`,
    `aws iam put-user-policy --user-name ${user} --policy-name windlass --policy-document '${JSON.stringify(policy)}'`,
    `aws iam create-access-key --user-name ${user}   # shows the secret once: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
  ]
}
