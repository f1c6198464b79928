import type { NotificationConfiguration } from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { overlaps, ruleId, ruleOf, rulesOf, withoutRule, withRule } from './notification-rules.ts'

const queue = 'arn:aws:sqs:us-east-1:123456789012:windlass'
const filter = (prefix: string, suffix = '') => ({ Filter: { Key: { FilterRules: [{ Name: 'prefix' as const, Value: prefix }, ...(suffix === '' ? [] : [{ Name: 'suffix' as const, Value: suffix }])] } } })
const theirs: NotificationConfiguration = {
  QueueConfigurations: [{ Id: 'thumbnails', QueueArn: 'arn:aws:sqs:us-east-1:1:t', Events: ['s3:ObjectCreated:Put'], ...filter('images/', '.png') }],
  TopicConfigurations: [{ TopicArn: 'arn:aws:sns:us-east-1:1:audit', Events: ['s3:ObjectTagging:Put'] }],
  LambdaFunctionConfigurations: [{ Id: 'scan', LambdaFunctionArn: 'arn:aws:lambda:us-east-1:1:function:scan', Events: ['s3:ObjectCreated:*'], ...filter('uploads/') }],
  EventBridgeConfiguration: {},
}

describe('the rule of a vectorizer', () => {
  test('is added, and everything that was there stays as it is', () => {
    const next = withRule(theirs, ruleOf('docs', { to: queue, prefix: 'handbook' }))
    expect(next).toEqual({
      ...theirs,
      QueueConfigurations: [...theirs.QueueConfigurations!, { Id: 'windlass-docs', QueueArn: queue, Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:LifecycleExpiration:*', 's3:ObjectRestore:Completed'], Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'handbook/' }] } } }],
    })
    expect(withoutRule(next, ruleId('docs'))).toEqual(theirs)
  })

  test('is replaced where it is there already', () => {
    const once = withRule(theirs, ruleOf('docs', { to: queue, prefix: 'handbook' }))
    const twice = withRule(once, ruleOf('docs', { to: 'arn:aws:sns:us-east-1:1:t', prefix: 'other' }))
    expect(rulesOf(twice).filter(({ id }) => id === 'windlass-docs')).toMatchObject([{ to: 'arn:aws:sns:us-east-1:1:t', prefix: 'other/' }])
  })

  test.each([
    [queue, 'QueueConfigurations'],
    ['arn:aws:sns:us-east-1:1:t', 'TopicConfigurations'],
    ['arn:aws:lambda:us-east-1:1:function:f', 'LambdaFunctionConfigurations'],
    ['arn:minio:sqs::t1:webhook', 'QueueConfigurations'],
  ] as const)('sends to %s', (to, kind) => {
    expect(withRule({}, ruleOf('docs', { to, prefix: '' }))[kind]).toHaveLength(1)
  })

  test('is not added beside one that sends the same events, which is named', () => {
    expect(() => withRule(theirs, ruleOf('docs', { to: queue, prefix: 'uploads/today' }))).toThrow(/rule "scan" sends s3:ObjectCreated:\* of "uploads\/\*" to arn:aws:lambda:.*already/)
    expect(() => withRule(theirs, ruleOf('docs', { to: queue, prefix: '' }))).toThrow(expect.objectContaining({ kind: 'conflict', details: { path: 'thumbnails' } }))
    expect(() => withRule(theirs, ruleOf('docs', { to: 'arn:aws:s3:::x', prefix: 'handbook' }))).toThrow(/takes no events/)
  })
})

test('two rules overlap if and only if some event of some key fits both', () => {
  const events = ['s3:ObjectCreated:*', 's3:ObjectCreated:Put', 's3:ObjectRemoved:*', 's3:ObjectRemoved:Delete', 's3:ObjectTagging:Put']
  const single = ['s3:ObjectCreated:Put', 's3:ObjectCreated:Copy', 's3:ObjectRemoved:Delete', 's3:ObjectTagging:Put']
  const part = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 2 })
  const rule = fc.record({ id: fc.constant(''), to: fc.constant(''), events: fc.uniqueArray(fc.constantFrom(...events), { minLength: 1 }), prefix: part, suffix: part })
  // Prefix and suffix may meet in one short key, or lie apart in a long one.
  const keys = Array.from({ length: 6 }, (_, length) => Array.from({ length: 2 ** length }, (_, bits) => bits.toString(2).padStart(length, '0').slice(0, length).replaceAll('0', 'a').replaceAll('1', 'b'))).flat()
  fc.assert(
    fc.property(rule, rule, (a, b) => {
      const takes = ({ events, prefix, suffix }: typeof a, event: string, key: string) => events.some((each) => (each.endsWith('*') ? event.startsWith(each.slice(0, -1)) : event === each)) && key.startsWith(prefix) && key.endsWith(suffix)
      expect(overlaps(a, b)).toBe(single.some((event) => keys.some((key) => takes(a, event, key) && takes(b, event, key))))
    }),
  )
})
