import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { copy } from '../../src/cli/commands/copy.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-copy-flags-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['a whole bucket', '', { rollback: true }, '--rollback'],
  ['a whole bucket', '', { toEndpoint: 'http://127.0.0.1:1' }, '--to-endpoint'],
  ['a collection', '#docs', { rollback: true }, '--rollback'],
  ['a collection', '#docs', { verify: false }, '--no-verify'],
])('a copy of %s refuses a flag that it does not read, and does nothing', async (_, name, flags, told) => {
  await expect(copy(`${folder}/from${name}`, `${folder}/to${name}`, { parallel: '4', ...flags })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining(told) })
  expect(readdirSync(folder)).toEqual([])
})
