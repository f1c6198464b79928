import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { iamCommands, partitionOf, principalOf, queuePolicy, readerPolicy, trustPolicy } from './iam-documents.ts'

const needs = { partition: 'aws', bucket: 'docs', prefix: 'handbook', kmsKeyArns: [], queueArns: [] }

describe('the policy of a reader', () => {
  test('lets it list and get what lies below the prefix, and nothing else', () => {
    expect(readerPolicy(needs)).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Sid: 'ListDocuments', Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::docs', Condition: { StringLike: { 's3:prefix': ['handbook/*'] } } },
        { Sid: 'ReadDocuments', Effect: 'Allow', Action: 's3:GetObject', Resource: ['arn:aws:s3:::docs/handbook/*', 'arn:aws:s3:::docs/handbook'] },
      ],
    })
  })

  test('of a whole bucket has no condition, so that missing keys are told', () => {
    const { Statement } = readerPolicy({ ...needs, prefix: '' })
    expect(Statement[0]).not.toHaveProperty('Condition')
    expect(Statement[1]).toMatchObject({ Resource: 'arn:aws:s3:::docs/*' })
  })

  test('names keys and queues only where there are any', () => {
    const text = JSON.stringify(readerPolicy({ ...needs, partition: 'aws-cn', kmsKeyArns: ['arn:aws-cn:kms:cn-north-1:1:key/a'], queueArns: ['arn:aws-cn:sqs:cn-north-1:1:q'] }))
    expect(text).toContain('"Action":"kms:Decrypt","Resource":["arn:aws-cn:kms:cn-north-1:1:key/a"]')
    expect(text).toContain('sqs:DeleteMessage')
    expect(text).toContain('arn:aws-cn:s3:::docs/handbook/*')
    expect(JSON.stringify(readerPolicy(needs))).not.toMatch(/kms|sqs|"\*"|:\*"/)
  })

  test('a prefix with characters that mean something in policies means itself', () => {
    expect(readerPolicy({ ...needs, prefix: 'what?/a*b/${x}' }).Statement[1]).toMatchObject({ Resource: ['arn:aws:s3:::docs/what${?}/a${*}b/${$}{x}/*', 'arn:aws:s3:::docs/what${?}/a${*}b/${$}{x}'] })
  })
})

test('a trust policy compares the external id letter by letter', () => {
  expect(trustPolicy({ principal: 'arn:aws:iam::1:role/worker', externalId: 'tenant-*' }).Statement[0]).toEqual({
    Effect: 'Allow',
    Principal: { AWS: 'arn:aws:iam::1:role/worker' },
    Action: 'sts:AssumeRole',
    Condition: { StringEquals: { 'sts:ExternalId': 'tenant-*' } },
  })
})

test('a queue takes messages of one bucket of one account', () => {
  expect(queuePolicy({ queueArn: 'arn:aws:sqs:us-east-1:1:q', bucket: 'docs', account: '2', partition: 'aws' }).Statement[0]).toMatchObject({ Condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::docs' }, StringEquals: { 'aws:SourceAccount': '2' } } })
})

describe('commands', () => {
  test('name one role throughout, and a shell reads the documents as they are', () => {
    const [policy, trust] = [readerPolicy({ ...needs, prefix: "it's" }), trustPolicy({ principal: 'p', externalId: 'e' })]
    const commands = iamCommands({ roleName: 'windlass-docs', trust, policy })
    expect(commands).toHaveLength(3)
    for (const command of commands) expect(command).toContain('--role-name windlass-docs ')
    const said = commands.map((command) => execFileSync('/bin/sh', ['-c', `aws() { for word in "$@"; do printf '%s\\0' "$word"; done; }; ${command}`], { encoding: 'utf8' }).split('\0').slice(0, -1))
    expect(said[0]!.slice(0, 5)).toEqual(['iam', 'create-role', '--role-name', 'windlass-docs', '--assume-role-policy-document'])
    expect(JSON.parse(said[0]![5]!)).toEqual(trust)
    expect(JSON.parse(said[1]!.at(-1)!)).toEqual(policy)
  })

  test('make a role below the path of the declared one', () => {
    const [create] = iamCommands({ roleName: 'r', path: '/teams/docs/', trust: trustPolicy({ principal: 'p', externalId: 'e' }), policy: readerPolicy(needs) })
    expect(create).toMatch(/^aws iam create-role --role-name r --path \/teams\/docs\/ --assume/)
  })

  test('are not made for a name that is none', () => {
    expect(() => iamCommands({ roleName: 'a; rm -rf /', trust: trustPolicy({ principal: 'p', externalId: 'e' }), policy: readerPolicy(needs) })).toThrow(/no name of a role/)
  })
})

test('a session is trusted as its role; regions tell their partition', () => {
  expect(principalOf('arn:aws:sts::123456789012:assumed-role/worker/i-0abc')).toBe('arn:aws:iam::123456789012:role/worker')
  expect(principalOf('arn:aws:iam::123456789012:user/ann')).toBe('arn:aws:iam::123456789012:user/ann')
  expect(['us-east-1', 'cn-north-1', 'us-gov-west-1'].map(partitionOf)).toEqual(['aws', 'aws-cn', 'aws-us-gov'])
})
