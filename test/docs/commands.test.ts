// Every command line of the documentation is one that the command line understands: the command exists, and so do its options.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pagePaths } from '../../scripts/build-docs.mjs'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(root, 'node_modules/.windlass-commands-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeAll(async () => {
  await build({ entryPoints: [join(root, 'src/cli/main.ts')], outfile: join(folder, 'main.mjs'), bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', logLevel: 'error' })
})

const helps = new Map<string, string | null>()

/** What `windlass <words> --help` prints; null where that is no command. */
function helpOf(words: readonly string[]): string | null {
  const name = words.join(' ')
  if (!helps.has(name)) {
    const { stdout, status } = spawnSync(process.execPath, [join(folder, 'main.mjs'), ...words, '--help'], { cwd: tmpdir(), encoding: 'utf8' })
    helps.set(name, status === 0 && new RegExp(`^Usage: windlass ${name}( |$)`, 'm').test(stdout) ? stdout : null)
  }
  return helps.get(name)!
}

interface Line {
  readonly place: string
  readonly words: readonly string[]
}

/** The lines of shell blocks that call windlass. */
function commandLines(page: string): Line[] {
  const lines: Line[] = []
  let isShell = false
  let held = ''
  readFileSync(join(root, page), 'utf8')
    .split('\n')
    .forEach((text, i) => {
      if (text.trimStart().startsWith('```')) isShell = !isShell && /^\s*```(sh|bash|console)\b/.test(text)
      else if (isShell && text.endsWith('\\')) held += `${text.slice(0, -1)} `
      else if (isShell) {
        const call = /(?:^|[(`|;&]|\$ |=\S* )\s*(?:npm run (?:-s |--silent )?windlass --|npx windlass|windlass) (.*)$/.exec(held + text)
        if (call && !/^\s*#/.test(held + text)) lines.push({ place: `${page}:${i + 1}`, words: wordsOf(call[1]!) })
        held = ''
      }
    })
  return lines
}

/** Words of a shell line, up to what another program is given; quotes held together, comments left out. */
function wordsOf(text: string): string[] {
  const words = [...text.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word)
  const end = words.findIndex((word) => word.startsWith('#') || ['|', '&&', '||', '>', ';', '--', '&', '2>&1'].includes(word))
  return end < 0 ? words : words.slice(0, end)
}

const lines = pagePaths().flatMap(commandLines)

test('there are such lines', () => {
  expect(lines.length).toBeGreaterThan(40)
})

test.each(lines)('$place', ({ words }) => {
  if (words[0]?.startsWith('-')) return expect(words[0]).toMatch(/^--(version|help)$|^-h$/)
  const depth = [2, 1].find((count) => words.slice(0, count).every((word) => /^[\w-]+$/.test(word)) && helpOf(words.slice(0, count)))
  expect(depth, `windlass ${words.slice(0, 2).join(' ')} is no command`).toBeDefined()
  const help = helpOf(words.slice(0, depth))!
  for (const word of words.slice(depth)) {
    const option = /^(--[\w-]+|-[a-z])(=|$)/.exec(word)?.[1]
    if (option) expect(help, `windlass ${words.slice(0, depth).join(' ')} has no ${option}`).toMatch(new RegExp(`(^|[\\s,])${option}\\b(?!-)`, 'm'))
  }
})
