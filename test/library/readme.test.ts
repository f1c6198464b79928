// The README's example runs as it stands there, and prints what it says.
import { readFileSync } from 'node:fs'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test('the example of the README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme)!
  const folder = mkdtempSync(join(tmpdir(), 'windlass-readme-'))
  try {
    writeFileSync(join(folder, 'example.mts'), example!.replace("'windlass'", JSON.stringify(join(root, 'src/index.ts'))))
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), 'example.mts'], { cwd: folder, encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    expect(stdout).toBe('harbour.md The windlass hauls the anchor.\nred\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
