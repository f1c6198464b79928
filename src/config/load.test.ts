import { expect, test } from 'vitest'
import { Configuration } from './configuration.ts'
import { storeSettings } from './load.ts'

test('keys that do not expire are refused where the operator says so, and others are not', () => {
  const settingsOf = (environment: Record<string, string>) => storeSettings(Configuration.read({ commandLine: {}, environment }))
  const keys = { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'a-secret-that-must-not-show' }
  expect(settingsOf(keys)).toMatchObject({ accessKeyId: 'AKIA1' })
  expect(() => settingsOf({ ...keys, WINDLASS_STATIC_KEYS: 'forbid' })).toThrow(expect.objectContaining({ kind: 'denied', message: expect.stringMatching(/^(?!.*must-not-show).*key AKIA1 does not expire/) }))
  expect(settingsOf({ ...keys, AWS_SESSION_TOKEN: 't', WINDLASS_STATIC_KEYS: 'forbid' })).toMatchObject({ sessionToken: 't' })
  expect(settingsOf({ WINDLASS_STATIC_KEYS: 'forbid' })).not.toHaveProperty('accessKeyId')
})
