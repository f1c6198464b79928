// Every page of the console, in both themes, wide and narrow: what axe-core finds, where requests go, and pictures for the documentation
// (WINDLASS_TEST_SCREENSHOTS=docs/images). Skipped unless WINDLASS_TEST_CHROMIUM says where a Chromium is.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Vectorizer } from '../../src/library/types.ts'
import { buildTestConsole, chromiumPath, ConsoleTest, findings, launch, meetingWav } from './testing.ts'

const pictures = process.env.WINDLASS_TEST_SCREENSHOTS
const pictureBytesMax = 150_000

interface View {
  readonly name: string
  readonly hash: string
  /** What is there once the page is. */
  readonly shown: string
  act?(page: Page): Promise<void>
  /** The theme in which the documentation shows it. */
  readonly picture?: 'light' | 'dark'
}

const views: readonly View[] = [
  { name: 'search-empty', hash: '#/search/manuals', shown: 'text=/in your own words/' },
  {
    name: 'search',
    picture: 'light',
    hash: '#/search/manuals?q=how%20is%20a%20write%20made%20durable',
    shown: '.hit',
    act: (page) => page.getByText('Why this passage').first().click(),
  },
  {
    name: 'filters',
    hash: `#/search/manuals?q=anchor&f=${encodeURIComponent('[{"field":"kind","operator":"is","value":"guide"}]')}`,
    shown: '.hit',
    act: (page) => page.getByText('What this query did').click(),
  },
  { name: 'search-nothing', hash: '#/search/manuals?q=zeppelin&mode=text', shown: 'text=Nothing found' },
  { name: 'search-hebrew', picture: 'dark', hash: `#/search/manuals?q=${encodeURIComponent('העוגן')}`, shown: '.hit' },
  { name: 'collections', hash: '#/collections', shown: 'td >> text=manuals' },
  { name: 'records', hash: '#/collections/manuals?tab=records', shown: 'td' },
  { name: 'record', hash: '#/collections/manuals?tab=records&key=own', shown: 'section pre' },
  { name: 'fields', hash: '#/collections/manuals?tab=fields', shown: 'td a' },
  { name: 'health', hash: '#/collections/manuals?tab=health', shown: 'text=healthy' },
  { name: 'storage', picture: 'dark', hash: '#/collections/manuals?tab=storage', shown: 'text=A month of it' },
  { name: 'snapshots', hash: '#/collections/manuals?tab=snapshots', shown: 'td >> text=before-cleanup' },
  { name: 'dialog', hash: '#/collections/manuals?tab=snapshots', shown: 'td >> text=before-cleanup', act: (page) => page.getByRole('button', { name: 'Restore …' }).click() },
  { name: 'collection-missing', hash: '#/collections/nothing', shown: '.note.wrong' },
  {
    name: 'documents',
    picture: 'light',
    hash: '#/documents/manuals',
    shown: 'td',
    async act(page) {
      await page.setInputFiles('input[type=file]', [
        { name: 'voyage.md', mimeType: 'text/markdown', buffer: Buffer.from('# Voyage\n\nThe ship sails at dawn.\n') },
        { name: 'scan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('no pdf at all') },
      ])
      await page.getByText('1 file added, 1 failed').waitFor()
    },
  },
  { name: 'vectorizers', hash: '#/vectorizers', shown: 'text=1 document failed', act: (page) => page.locator('summary').first().click() },
  { name: 'map', hash: '#/map/manuals', shown: 'text=No map yet' },
  { name: 'models', hash: '#/models', shown: 'text=No models in the bucket' },
  { name: 'audio', hash: '#/audio', shown: 'td >> text=done' },
  { name: 'recording', picture: 'dark', hash: '#/audio', shown: 'td >> text=done', act: (page) => page.getByRole('link', { name: 'meeting.wav' }).click().then(() => page.locator('.transcript').waitFor()) },
  { name: 'keys', hash: '#/keys', shown: 'text=No keys are configured' },
]

describe.skipIf(!chromiumPath)('every page', () => {
  let browser: Browser
  let built: Awaited<ReturnType<typeof buildTestConsole>>
  let own: ConsoleTest
  const folder = mkdtempSync(join(tmpdir(), 'windlass-pages-'))

  beforeAll(async () => {
    built = await buildTestConsole()
    browser = await launch()
    mkdirSync(join(folder, 'source'))
    writeFileSync(join(folder, 'source/page.md'), '# Page\n\nThe chain has a shackle.\n')
    writeFileSync(join(folder, 'source/scan.pdf'), 'no pdf at all')
    let vectorizer: Vectorizer | undefined
    own = await ConsoleTest.start(browser, built.folder, {}, {
      vectorizers: (bucket) => [(vectorizer = bucket.vectorizer({ name: 'handbook', source: { type: 'folder', path: './source' }, destinations: [{ type: 'collection', name: 'handbook' }] }, { folder }))],
    })
    await vectorizer!.run()
    const docs = Object.fromEntries(['architecture', 'engine', 'protocol', 'configuration', 'models'].map((name) => [`${name}.md`, readFileSync(join(import.meta.dirname, `../../docs/${name}.md`), 'utf8')]))
    const years = new Map(Object.keys(docs).map((path, i) => [path, 2022 + (i % 3)]))
    await own.collection('manuals', { ...docs, 'anchor-he.md': '# מדריך העוגן\n\nהעוגן מורם בעזרת הכננת. יש לשמן את השרשרת לפני כל הפלגה.\n' }, (path) => ({ kind: /protocol|engine/.test(path) ? 'reference' : 'guide', year: years.get(path) ?? 2025 }))
    await own.server.call('POST', '/v1/collections/manuals/records', { json: { records: [{ key: 'own', document: 'A record of its own.', metadata: { kind: 'note' } }] } })
    await own.server.call('POST', '/v1/audio?name=meeting.wav', { body: new Uint8Array(meetingWav()), headers: { 'content-type': 'audio/wav' } })
    await own.server.call('POST', '/v1/collections/manuals/flush')
    await own.server.call('POST', '/v1/collections/manuals/snapshots', { json: { name: 'before-cleanup' } })
  }, 120_000)
  afterAll(async () => {
    await own.stop()
    await browser.close()
    built.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const theme of ['light', 'dark'] as const) {
    test.each(views)(`$name, ${theme}: axe-core finds nothing serious, nothing is asked of anybody else, nothing sticks out`, async ({ name, hash, shown, act, picture }) => {
      const page = await own.open(hash, { colorScheme: theme, reducedMotion: 'reduce' })
      await page.locator(shown).first().waitFor()
      await act?.(page)
      expect(await findings(page)).toEqual([])
      if (pictures && picture === theme) {
        mkdirSync(pictures, { recursive: true })
        const path = join(pictures, `console-${name}.png`)
        await page.setViewportSize({ width: 1120, height: 720 })
        await page.screenshot({ path })
        expect(statSync(path).size, 'a picture that a page of documentation can bear').toBeLessThan(pictureBytesMax)
      }
      await page.setViewportSize({ width: 400, height: 800 })
      // What is wider than its place scrolls in it: the page itself never does.
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400)
      await own.settle()
    })
  }

  test('the first load and the answers of a search take a moment (told, not judged)', async () => {
    const page = await own.open('#/search/manuals')
    const loads: number[] = []
    for (let i = 0; i < 5; i++) {
      await page.reload()
      await page.getByRole('searchbox', { name: 'Question' }).waitFor()
      loads.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()))
    }
    const searches: number[] = []
    for (const question of ['anchor', 'log', 'segment', 'a snapshot', 'flush', 'merge', 'manifest', 'lease', 'cold', 'warm']) {
      await page.getByRole('searchbox', { name: 'Question' }).fill(question)
      searches.push(
        await page.evaluate(async () => {
          const started = performance.now()
          const results = document.querySelector('section.hits')!
          // Busy with this question, and then no more.
          const seen = new Promise<void>((resolve) => {
            let wasBusy = false
            const observer = new MutationObserver(() => {
              const isBusy = results.getAttribute('aria-busy') === 'true'
              if (wasBusy && !isBusy) resolve(observer.disconnect())
              wasBusy ||= isBusy
            })
            observer.observe(results, { attributes: true })
          })
          document.querySelector<HTMLButtonElement>('form[role=search] button[type=submit]')!.click()
          await seen
          await new Promise(requestAnimationFrame)
          return performance.now() - started
        }),
      )
    }
    const middle = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!
    console.log(`console: first contentful paint ${Math.round(middle(loads))} ms, a search until it is shown ${Math.round(middle(searches))} ms (medians)`)
    expect(searches).toHaveLength(10)
    await own.settle()
  })
})
