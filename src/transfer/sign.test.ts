import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { escapeUri, Signer } from './sign.ts'

test('signs as the example in the reference of the S3 API does ("Examples: Signature Calculations in AWS Signature Version 4")', () => {
  const { authorization } = new Signer('us-east-1').sign(
    {
      method: 'GET',
      host: 'examplebucket.s3.amazonaws.com',
      path: '/test.txt',
      query: '',
      bodyHash: createHash('sha256').update('').digest('hex'),
      time: '20130524T000000Z',
      headers: { range: 'bytes=0-9' },
    },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  )
  expect(authorization).toContain('Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41')
})

test('escapes what the signature reserves', () => {
  expect(escapeUri("a b/ü'(!*)+", true)).toBe('a%20b/%C3%BC%27%28%21%2A%29%2B')
  expect(escapeUri('a/b', false)).toBe('a%2Fb')
})
