// The benchmark of the door, tiny: it checks its own answers, so that it cannot rot.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const shared = process.env.WINDLASS_SHARED ?? join(root, '../shared')
const isHere = existsSync(join(shared, 'data/base.f16')) && process.platform === 'linux'

test.skipIf(!isHere)('bench/s3vectors runs on 1,500 rows of the shared set', { timeout: 120_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'bench/s3vectors/main.ts', '--rows', '1500', '--seconds', '0.2'], { cwd: root, encoding: 'utf8', env: { ...process.env, WINDLASS_SHARED: shared } })
  expect(status, stderr).toBe(0)
  expect(stdout.match(/^\| (put 500|query|query, filter) \| \d+ \|/gm)).toHaveLength(9)
})
