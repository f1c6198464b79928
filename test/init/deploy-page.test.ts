// Commands of docs/deploy.md exist, and so do the options that they are given.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { storePolicy } from '../../src/aws/store-policies.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
const help = (words: string[]) => spawnSync(process.execPath, ['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, join(root, 'src/cli/main.ts'), ...words, '--help'], { encoding: 'utf8', env: { PATH: process.env.PATH } })

test('every windlass command on the page is one, with the options that it is given', () => {
  const lines = [...page.matchAll(/(?:^|`)windlass ([a-z][^`\n#…]*)/gm)].map(([, line]) => line!.split('&&')[0]!.trim())
  expect(lines.length).toBeGreaterThan(20)
  const seen = new Map<string, string>()
  for (const line of lines) {
    const words = line.split(' -- ')[0]!.split(/\s+/)
    const name = /^(init|events|postgres|models|snapshot)$/.test(words[0]!) && words.length > 1 ? words.slice(0, 2) : words.slice(0, 1)
    const key = name.join(' ')
    if (!seen.has(key)) {
      const { status, stdout } = help(name)
      expect(status, line).toBe(0)
      expect(stdout, line).toContain(`Usage: windlass ${key}`)
      seen.set(key, stdout)
    }
    for (const option of words.filter((word) => word.startsWith('--'))) expect(seen.get(key), line).toContain(option)
  }
}, 120_000)

test('the policy is the one that init prints, and the files that are linked are there', () => {
  const [, json] = /```json\n([\s\S]*?)```/.exec(page)!
  const shown = (JSON.parse(json!) as { Statement: object[] }).Statement
  const made = storePolicy({ partition: 'aws', bucket: 'my-bucket', prefix: '' }).Statement.map(({ Sid: _, ...rest }) => rest)
  expect(shown).toEqual(made)
  for (const [, path] of page.matchAll(/\]\((?!http|#)([^)#]+)/g)) expect(existsSync(join(root, 'docs', path!)), path).toBe(true)
})
