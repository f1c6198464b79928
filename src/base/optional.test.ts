import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadOptional, optionalPackages } from './optional.ts'

test('the table is what package.json declares as optional peers', () => {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as Record<string, Record<string, unknown>>
  expect(peerDependencies).toEqual(Object.fromEntries(Object.entries(optionalPackages).map(([name, { range }]) => [name, range])))
  expect(peerDependenciesMeta).toEqual(Object.fromEntries(Object.keys(optionalPackages).map((name) => [name, { optional: true }])))
})

test('a package that is not there is named with the command that installs it', async () => {
  const loading = loadOptional('@aws-sdk/client-s3vectors', () => Promise.reject(new Error('no such module')))
  await expect(loading).rejects.toMatchObject({ kind: 'missing-dependency', message: expect.stringMatching(/^copying to and from S3 Vectors needs .*npm install "@aws-sdk\/client-s3vectors@\^/) })
})
