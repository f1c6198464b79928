import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { envExample } from './env-example.ts'
import { otherVariables } from './other-variables.ts'
import { settingSpecs } from './settings.ts'

const source = join(import.meta.dirname, '..')
// Set by whoever starts a process, for others; nobody would write them into a `.env`.
const ofPlatforms = /^(PATH|HOME|GIT_\w+|GITHUB_\w+|AWS_SDK_JS_\w+|INPUT_\w+|NODE_\w+)$/

test('every variable that the source reads by name is in env.example', () => {
  const known = new Set(envExample().match(/\b[A-Z][A-Z0-9_]{3,}\b/g))
  const read = new Map<string, string>()
  for (const path of readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.ts') && !/\.(test|bench)\.ts$/.test(each))) {
    const text = readFileSync(join(source, path), 'utf8')
    for (const [, name] of text.matchAll(/\b(?:environment|env)\.([A-Z][A-Z0-9_]{3,})\b/g)) read.set(name!, path)
    for (const [, names] of text.matchAll(/\{ ([^{}]*) \} = (?:this\.#|process\.)?env(?:ironment)?\b/g)) for (const [name] of names!.matchAll(/\b[A-Z][A-Z0-9_]{3,}\b/g)) read.set(name, path)
  }
  expect(read.size, 'the pattern still finds them').toBeGreaterThan(15)
  const missing = [...read].filter(([name]) => !known.has(name) && !ofPlatforms.test(name))
  expect(missing).toEqual([])
})

test('none is a setting as well', () => {
  const settings = new Set<string>(settingSpecs.flatMap(({ variables }) => variables))
  expect(otherVariables.filter(({ name }) => settings.has(name))).toEqual([])
})
