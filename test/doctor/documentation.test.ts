import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checks } from '../../src/doctor/checks.ts'
import { runChecks } from '../../src/doctor/run-checks.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/doctor.md'), 'utf8')

test('the page has every check in order, and no other', () => {
  const table = page.slice(page.indexOf('## Checks'), page.indexOf('## By symptom'))
  expect([...table.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, name]) => name)).toEqual(checks.map(({ name }) => name))
})

test('every check that a symptom leads to is one', () => {
  const names = new Set(checks.map(({ name }) => name))
  const symptoms = page.slice(page.indexOf('## By symptom')).split('\n').filter((line) => line.startsWith('| ')).slice(1)
  expect(symptoms.length).toBeGreaterThan(8)
  for (const line of symptoms) expect([...line.matchAll(/`([a-z0-9-]+)`/g)].some(([, name]) => names.has(name!)), line).toBe(true)
})

test('checks need only what comes before them, and a name that is none is refused with those that are', async () => {
  checks.forEach(({ needs = [] }, i) => expect(needs.every((name) => checks.findIndex((check) => check.name === name) < i)).toBe(true))
  await expect(runChecks(checks, {} as never, ['disc']).next()).rejects.toThrow(/no check "disc": it has node, settings/)
})
