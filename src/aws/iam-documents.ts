import { WindlassError } from '../base/errors.ts'

/** What a reader of documents needs to be let in to. */
export interface ReaderNeeds {
  readonly partition: string
  readonly bucket: string
  /** A folder without slashes around it; empty: all of the bucket. */
  readonly prefix: string
  /** Keys that the objects are encrypted with. */
  readonly kmsKeyArns: readonly string[]
  /** Queues that events are taken from. */
  readonly queueArns: readonly string[]
}

type Statement = Readonly<Record<string, unknown>>

export interface PolicyDocument {
  readonly Version: '2012-10-17'
  readonly Statement: readonly Statement[]
}

/** The least that a reader needs: to list and get below the prefix, and nothing else; no action and no resource is a wildcard of its own. */
export function readerPolicy({ partition, bucket, prefix, kmsKeyArns, queueArns }: ReaderNeeds): PolicyDocument {
  const bucketArn = `arn:${partition}:s3:::${bucket}`
  const folder = prefix === '' ? '' : `${escapePattern(prefix)}/`
  const objects = prefix === '' ? `${bucketArn}/*` : [`${bucketArn}/${folder}*`, `${bucketArn}/${escapePattern(prefix)}`]
  // Without a prefix there is no condition: where one is unconditional, a missing key is answered with 404 instead of 403.
  const condition = prefix === '' ? {} : { Condition: { StringLike: { 's3:prefix': [`${folder}*`] } } }
  return {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'ListDocuments', Effect: 'Allow', Action: 's3:ListBucket', Resource: bucketArn, ...condition },
      { Sid: 'ReadDocuments', Effect: 'Allow', Action: 's3:GetObject', Resource: objects },
      ...(kmsKeyArns.length > 0 ? [{ Sid: 'DecryptDocuments', Effect: 'Allow', Action: 'kms:Decrypt', Resource: kmsKeyArns }] : []),
      ...(queueArns.length > 0 ? [{ Sid: 'TakeEvents', Effect: 'Allow', Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'], Resource: queueArns }] : []),
    ],
  }
}

/**
 * Who may take the role: one principal, which must know the external id, letter by letter. Of StringLike a `*` in an id would let in
 * others (docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html).
 */
export function trustPolicy({ principal, externalId }: { principal: string; externalId: string }): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: principal }, Action: 'sts:AssumeRole', Condition: { StringEquals: { 'sts:ExternalId': externalId } } }],
  }
}

/** Who may send messages to a queue: this bucket of this account only. */
export function queuePolicy({ queueArn, bucket, account, partition }: { queueArn: string; bucket: string; account: string; partition: string }): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'BucketSendsEvents',
        Effect: 'Allow',
        Principal: { Service: 's3.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: queueArn,
        Condition: { ArnEquals: { 'aws:SourceArn': `arn:${partition}:s3:::${bucket}` }, StringEquals: { 'aws:SourceAccount': account } },
      },
    ],
  }
}

/** The commands that make a role, in the order in which they are to be run. One name throughout. */
export function iamCommands({ roleName, path = '/', trust, policy }: { roleName: string; path?: string; trust: PolicyDocument; policy: PolicyDocument }): string[] {
  if (!/^[\w+=,.@-]{1,64}$/.test(roleName)) throw new WindlassError('invalid', `${JSON.stringify(roleName)} is no name of a role: expected 1 to 64 letters, digits and +=,.@-_`, { path: 'role-name' })
  const document = (value: PolicyDocument) => `'${JSON.stringify(value, null, 2).replaceAll("'", `'\\''`)}'`
  return [
    `aws iam create-role --role-name ${roleName}${path === '/' ? '' : ` --path ${path}`} --assume-role-policy-document ${document(trust)}`,
    `aws iam put-role-policy --role-name ${roleName} --policy-name ${roleName} --policy-document ${document(policy)}`,
    `aws iam get-role --role-name ${roleName} --query Role.Arn --output text`,
  ]
}

/**
 * The principal of a trust policy for a caller: of a session of a role, the role itself, since sessions come and go.
 * @param arn As sts:GetCallerIdentity answers.
 */
export function principalOf(arn: string): string {
  const session = /^arn:([a-z-]+):sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(arn)
  return session ? `arn:${session[1]}:iam::${session[2]}:role/${session[3]}` : arn
}

/** `aws`, `aws-cn` or `aws-us-gov`. */
export function partitionOf(region: string): string {
  return region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}

/** `*` and `?` match anything in a policy, and `${` begins a variable: each has a variable that means itself. */
function escapePattern(text: string): string {
  return text.replace(/\$|[*?]/g, (character) => `\${${character}}`)
}
