// The console in headless Chromium, as people use it. Skipped unless WINDLASS_TEST_CHROMIUM says where a Chromium is; .ci/chromium.sh installs one.
import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildTestConsole, chromiumPath, ConsoleTest, launch, meetingWav } from './testing.ts'

const files = {
  'anchor.md': '# The anchor\n\nThe windlass hauls the anchor. Grease the chain before every voyage.\n',
  'lantern.md': '# Lanterns\n\nLanterns burn until morning, and are trimmed at dusk.\n',
  'rope.md': '# Ropes\n\nA rope of hemp holds four hundred kilograms.\n',
  'hebrew.md': '# מדריך העוגן\n\nהעוגן מורם בעזרת הכננת. יש לשמן את השרשרת לפני כל הפלגה.\n',
}
const yearOf = (path: string) => ({ year: path === 'anchor.md' ? 2024 : 2020, kind: path === 'rope.md' ? 'gear' : 'manual' })
const patience = { timeout: 30_000 }

describe.skipIf(!chromiumPath)('the console', () => {
  let browser: Browser
  let built: Awaited<ReturnType<typeof buildTestConsole>>
  let own: ConsoleTest
  beforeAll(async () => {
    built = await buildTestConsole()
    browser = await launch()
    own = await ConsoleTest.start(browser, built.folder)
  }, 120_000)
  afterEach(() => own.settle())
  afterAll(async () => {
    await own.stop()
    await browser.close()
    built.remove()
  })

  test('begins with nothing: a collection is made, files are added, a question is answered', async () => {
    const page = await own.open()
    await page.getByRole('link', { name: 'Make a collection' }).click()
    await page.getByRole('button', { name: 'New collection' }).click()
    await page.getByLabel('Name').fill('first')
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.getByRole('heading', { level: 1, name: 'first' }).waitFor()
    await page.getByRole('link', { name: 'Documents', exact: true }).last().click()
    await page.setInputFiles('input[type=file]', [
      { name: 'anchor.md', mimeType: 'text/markdown', buffer: Buffer.from(files['anchor.md']) },
      { name: 'broken.pdf', mimeType: 'application/pdf', buffer: Buffer.from('no pdf at all') },
    ])
    const uploads = page.getByRole('region', { name: 'Uploads' })
    await uploads.getByText('1 file added, 1 failed').waitFor()
    expect(await uploads.getByRole('listitem').filter({ hasText: 'anchor.md' }).textContent()).toContain('new, 1 passage')
    expect(await uploads.getByRole('listitem').filter({ hasText: 'broken.pdf' }).textContent()).toContain('is not pdf')
    const row = page.getByRole('region', { name: 'Documents of the collection' }).getByRole('row')
    await row.filter({ hasText: 'anchor.md' }).getByText('markdown').waitFor()
    await row.filter({ hasText: 'broken.pdf' }).getByText('failed', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Search', exact: true }).first().click()
    await page.getByRole('searchbox', { name: 'Question' }).fill('lifting the anchor')
    await page.keyboard.press('Enter')
    await page.getByText('1 passage in').waitFor()
    expect(await page.locator('.hit mark').allTextContents()).toContain('anchor')
  })

  test('a file that failed is tried again, and succeeds once it can; a document is deleted with all its passages', async () => {
    await own.collection('again')
    const page = await own.open('#/documents/again')
    let isDown = true
    await page.route('**/documents/anchor.md*', (route) => (isDown ? route.abort() : route.continue()))
    await page.setInputFiles('input[type=file]', { name: 'anchor.md', mimeType: 'text/markdown', buffer: Buffer.from(files['anchor.md']) })
    await page.getByText('the connection broke off').waitFor()
    isDown = false
    await page.getByRole('button', { name: 'Try again: anchor.md' }).click()
    await page.getByText('1 file added').waitFor()
    await page.getByRole('button', { name: 'Delete anchor.md' }).click()
    await page.getByRole('button', { name: 'Delete it' }).click()
    await page.getByText('No documents yet').waitFor()
    expect((await own.server.call('GET', '/v1/collections/again/count')).json).toEqual({ count: 0 })
  })

  test('files and folders are dropped; what is in a folder keeps its path', async () => {
    await own.collection('dropped')
    const page = await own.open('#/documents/dropped')
    const data = await page.evaluateHandle(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File(['# Dropped\n\nThe rope is dropped.'], 'dropped.md', { type: 'text/markdown' }))
      return transfer
    })
    await page.locator('.drop').dispatchEvent('dragover', { dataTransfer: data })
    await page.locator('.drop.over').waitFor()
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: data })
    await page.getByText('1 file added').waitFor()
    expect((await own.server.call('GET', '/v1/collections/dropped/documents')).json.documents[0]).toMatchObject({ source: 'dropped.md', state: 'indexed' })
  })

  describe('searching', () => {
    beforeAll(() => own.collection('manuals', files, yearOf))

    const hits = (page: Page) => page.locator('.hit h3')

    test('shows what each hit is there for, and what the query did', async () => {
      const page = await own.open('#/search/manuals?q=anchor%20chain')
      await hits(page).first().waitFor()
      expect(await hits(page).first().textContent()).toContain('The anchor')
      await page.locator('.hit').first().getByText('Why this passage').click()
      const why = page.locator('.hit').first().locator('.why')
      expect(await why.textContent()).toMatch(/distance 0\.\d+.*BM25 \d/)
      await page.getByText('What this query did').click()
      expect(await page.locator('.figures').textContent()).toMatch(/Requests to the bucket\d+Bytes read.*Clusters probednone: exact.*Records that match4/)
      await page.getByRole('img', { name: /Time on the server/ }).waitFor()
    })

    test('a facet narrows down, and lets go again', async () => {
      const page = await own.open('#/search/manuals?q=anchor')
      await page.getByRole('button', { name: 'gear 1' }).click()
      await page.getByText('1 passage in').waitFor()
      expect(await hits(page).allTextContents()).toEqual(['1. Ropes'])
      expect(page.url()).toContain('gear')
      await page.getByRole('button', { name: 'gear 1', pressed: true }).click()
      await page.getByText('4 passages in').waitFor()
    })

    test('filters are built from the fields of the collection; a number is compared as one', async () => {
      const page = await own.open('#/search/manuals?q=anchor')
      await page.getByRole('button', { name: 'Filters' }).click()
      const form = page.getByRole('form', { name: 'Filters' })
      await form.getByLabel('Field').selectOption('year')
      await form.getByLabel('Comparison').selectOption('at-least')
      await form.getByLabel('Value').fill('2021')
      await form.getByRole('button', { name: 'Apply' }).click()
      await page.getByText('1 passage in').waitFor()
      expect(await hits(page).allTextContents()).toEqual(['1. The anchor'])
      // The address says it all: it can be kept, and gone back from.
      await page.reload()
      await page.getByText('1 passage in').waitFor()
      await page.goBack()
      await page.getByText('4 passages in').waitFor()
    })

    test('by words alone, only what has the words is found', async () => {
      const page = await own.open('#/search/manuals?q=hemp')
      await page.getByRole('search').getByText('Words', { exact: true }).click()
      await page.getByText('1 passage in').waitFor()
      await page.getByRole('searchbox', { name: 'Question' }).fill('zeppelin')
      await page.keyboard.press('Enter')
      await page.getByText('None of these words occurs').waitFor()
    })

    test('Hebrew is shown from the right, in the order it was written', async () => {
      const page = await own.open(`#/search/manuals?q=${encodeURIComponent('העוגן')}`)
      const hit = page.locator('.hit').filter({ hasText: 'hebrew.md' })
      await hit.waitFor()
      expect(await hit.locator('.text').evaluate((element) => getComputedStyle(element).direction)).toBe('rtl')
      expect(await page.getByRole('searchbox', { name: 'Question' }).evaluate((element) => getComputedStyle(element).direction)).toBe('rtl')
      expect(await hit.locator('.text').textContent()).toContain('העוגן מורם בעזרת הכננת. יש לשמן את השרשרת לפני כל הפלגה.')
      const english = page.locator('.hit').filter({ hasText: 'rope.md' })
      if ((await english.count()) > 0) expect(await english.locator('.text').evaluate((element) => getComputedStyle(element).direction)).toBe('ltr')
    })
  })

  test('what a document says is shown, and never run', async () => {
    const attack = '<img src="https://evil.example/x" onerror="document.title=1"><script>document.title=2</script>'
    await own.collection('hostile', { '<b onclick=1>.md': `# ${attack}\n\nneedle ${attack}\n` }, () => ({ '<i>': attack }))
    for (const [hash, shown] of [['#/search/hostile?q=needle', '.hit'], ['#/documents/hostile', 'td'], ['#/collections/hostile', 'td'], ['#/collections/hostile?tab=fields', 'td a'], ['#/collections/%3Cimg%20src=x%3E', '.note.wrong']] as const) {
      const page = await own.open(hash)
      await page.locator(shown).first().waitFor()
      expect(await page.locator('main img, main script, main b[onclick]').count(), hash).toBe(0)
      expect(await page.title()).not.toMatch(/^[12]$/)
    }
  })

  test('a snapshot is taken, gone back to, branched off, and let go', async () => {
    await own.collection('kept', { 'anchor.md': files['anchor.md'] })
    const page = await own.open('#/collections/kept?tab=snapshots')
    await page.getByRole('button', { name: 'Take a snapshot' }).click()
    await page.getByLabel('Name', { exact: true }).fill('before')
    await page.getByRole('button', { name: 'Take it' }).click()
    await page.getByRole('row').filter({ hasText: 'before' }).waitFor()
    await own.server.call('DELETE', '/v1/collections/kept/documents/anchor.md')
    await page.getByRole('button', { name: 'Restore …' }).click()
    await page.getByRole('button', { name: 'Restore', exact: true }).click()
    await page.getByText('kept is as it was at before').waitFor()
    expect((await own.server.call('GET', '/v1/collections/kept/count')).json).toEqual({ count: 1 })
    await page.getByRole('button', { name: 'Branch …' }).click()
    await page.getByLabel('Name of the new collection').fill('branched')
    await page.getByRole('button', { name: 'Make the branch' }).click()
    await page.getByRole('heading', { level: 1, name: 'branched' }).waitFor()
    expect((await own.server.call('GET', '/v1/collections/branched/count')).json).toEqual({ count: 1 })
    await page.goBack()
    await page.getByRole('row').filter({ hasText: 'before' }).getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('button', { name: 'Delete the snapshot' }).click()
    await page.getByText('No snapshots').waitFor()
  })

  test('a collection is deleted only by who types its name', async () => {
    await own.collection('doomed')
    const page = await own.open('#/collections/doomed')
    await page.getByRole('button', { name: 'Delete …' }).click()
    await page.getByLabel('Type its name to confirm').fill('another')
    await page.getByRole('button', { name: 'Delete it for good' }).click()
    await page.getByText('the name is not the one').waitFor()
    await page.getByLabel('Type its name to confirm').fill('doomed')
    await page.getByRole('button', { name: 'Delete it for good' }).click()
    await page.getByText('Collection doomed is deleted').waitFor()
    expect((await own.server.call('GET', '/v1/collections/doomed')).status).toBe(404)
  })

  test('a month of a collection costs what its bytes cost at the prices given', async () => {
    await own.collection('priced', { 'anchor.md': files['anchor.md'] })
    const page = await own.open('#/collections/priced?tab=storage')
    const { sizeBytes } = (await own.server.call('GET', '/v1/collections/priced/storage')).json
    const perMillion = page.locator('.figure').filter({ hasText: 'Per million records' }).locator('dd')
    await perMillion.waitFor()
    await page.getByLabel('$ per GB and month').fill('1000')
    await page.keyboard.press('Enter')
    const expected = `$${Math.round((sizeBytes / 1e9) * 1000 * 1e6).toLocaleString('en')}`
    await expect.poll(() => perMillion.textContent(), patience).toBe(expected)
  })

  test('light and dark follow the system, until somebody chooses; the choice is kept', async () => {
    const page = await own.open('#/collections', { colorScheme: 'dark' })
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.getByRole('heading', { level: 1 }).waitFor()
    const dark = await ground()
    await page.emulateMedia({ colorScheme: 'light' })
    const light = await ground()
    expect(light).not.toBe(dark)
    await page.getByLabel('Dark').check({ force: true })
    expect(await ground()).toBe(dark)
    await page.reload()
    await page.getByRole('heading', { level: 1 }).waitFor()
    expect(await ground()).toBe(dark)
    await page.getByLabel('As the system').check({ force: true })
    expect(await ground()).toBe(light)
  })

  test('nothing moves for who asked for that', async () => {
    const page = await own.open('', { reducedMotion: 'reduce' })
    const animated = await page.evaluate(() => {
      const bone = document.body.appendChild(Object.assign(document.createElement('span'), { className: 'bone' }))
      return getComputedStyle(bone).animationName
    })
    expect(animated).toBe('none')
  })

  // Passes and fails on one tree: where it hangs is not known yet.
  test.skip('everything can be done with the keyboard alone', async () => {
    await own.collection('keyboard', { 'anchor.md': files['anchor.md'] })
    const page = await own.open('#/collections')
    await page.getByRole('link', { name: 'keyboard' }).waitFor()
    const focused = () => page.evaluate(() => (document.activeElement as HTMLElement).innerText || document.activeElement?.getAttribute('aria-label') || '')
    const tabTo = async (text: string) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab')
        if ((await focused()).trim() === text) return
      }
      throw new Error(`Tab does not lead to ${text}`)
    }
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Skip to content')
    await page.keyboard.press('Enter')
    await tabTo('New collection')
    await page.keyboard.press('Enter')
    await page.keyboard.type('typed')
    // Escape leaves the question, and nothing was made.
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await focused()).toBe('New collection')
    await page.keyboard.press('Enter')
    await page.keyboard.type('typed')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'typed' }).waitFor()
    await tabTo('Search it')
    await page.keyboard.press('Enter')
    await page.getByRole('searchbox', { name: 'Question' }).waitFor()
    await page.goto(`${own.server.url}/#/search/keyboard`)
    await tabTo('Question')
    await page.keyboard.type('anchor')
    await page.keyboard.press('Enter')
    await page.getByText('1 passage in').waitFor()
    await tabTo('Why this passage')
    await page.keyboard.press('Enter')
    await page.getByText('BM25').waitFor()
  })

  test('a server that went away is said to be away, and asked again', async () => {
    await own.collection('away', { 'anchor.md': files['anchor.md'] })
    const page = await own.open('#/search/away?q=anchor')
    await page.getByText('1 passage in').waitFor()
    await page.context().setOffline(true)
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('the server does not answer').waitFor()
    await page.context().setOffline(false)
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('1 passage in').waitFor()
  })

  test('a recording is added, listened to, named and found by its speakers; a failed one says why', async () => {
    const page = await own.open('#/audio')
    await page.getByText('No recordings yet').waitFor()
    await page.setInputFiles('input[type=file]', [
      { name: 'meeting.wav', mimeType: 'audio/wav', buffer: meetingWav() },
      { name: 'noise.wav', mimeType: 'audio/wav', buffer: Buffer.from('RIFF, and nothing of it') },
    ])
    const row = (name: string) => page.getByRole('row').filter({ hasText: name })
    await row('meeting.wav').getByText('done', { exact: true }).waitFor()
    await row('noise.wav').getByText('failed', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'meeting.wav' }).click()
    await page.getByText('Who speaks when').waitFor()
    await expect.poll(() => page.locator('.speaker').count(), patience).toBe(2)
    const player = page.locator('section[aria-label=Player] > audio')
    await expect.poll(() => player.evaluate((element: HTMLAudioElement) => Math.round(element.duration)), patience).toBe(12)
    await page.getByRole('button', { name: 'Name … speaker-1' }).click()
    await page.getByLabel('Name', { exact: true }).fill('דנה')
    await page.getByRole('button', { name: 'Give the name' }).click()
    await page.locator('.transcript').getByText('דנה').first().waitFor()
    // Not from the beginning: only what is listened to is read.
    await page.locator('.transcript button').nth(1).click()
    await expect.poll(() => player.evaluate((element: HTMLAudioElement) => element.currentTime), patience).toBeGreaterThan(1)
    await page.getByRole('button', { name: /^Snippet, \d+ s, of דנה$/ }).click()
    await page.locator('.speaker audio').waitFor()
    await page.getByRole('link', { name: 'Audio', exact: true }).last().click()
    await page.getByRole('button', { name: 'Delete meeting.wav' }).click()
    await page.getByRole('button', { name: 'Delete it' }).click()
    await row('meeting.wav').waitFor({ state: 'detached' })
  })

  test('what is under way is asked for again after an answer, however long that takes', async () => {
    const page = await own.open()
    const recording = { id: 'r1', name: 'slow.wav', createdAt: '2024-01-01T00:00:00.000Z', sizeBytes: 10, contentType: 'audio/wav', speakers: [] }
    let count = 0
    const givenUp: string[] = []
    page.on('requestfailed', (request) => givenUp.push(request.url()))
    await page.route('**/v1/audio?*', async (route) => {
      // Longer than the pause between two askings.
      if (count++ > 0) await new Promise((resolve) => setTimeout(resolve, 3500))
      await route.fulfill({ json: { recordings: [{ ...recording, state: count > 1 ? 'done' : 'stored' }] } })
    })
    await page.goto(`${own.server.url}/#/audio`)
    const row = page.getByRole('row').filter({ hasText: 'slow.wav' })
    await row.getByText('waits to be listened to').waitFor()
    await row.getByText('done', { exact: true }).waitFor()
    expect(givenUp.filter((url) => url.includes('/v1/audio'))).toEqual([])
  })

  test('of many recordings the newest are shown, and the others when they are wanted', async () => {
    const page = await own.open()
    const recordings = Array.from({ length: 1200 }, (_, i) => ({ id: `r${i + 1000}`, name: `tape-${i}.wav`, createdAt: '2024-01-01T00:00:00.000Z', sizeBytes: 10, contentType: 'audio/wav', state: 'done', speakers: [] }))
    await page.route('**/v1/audio?*', (route) => {
      const after = new URL(route.request().url()).searchParams.get('after')
      return route.fulfill({ json: after === null ? { recordings: recordings.slice(0, 1000), next: recordings[999]!.id } : { recordings: recordings.slice(1000) } })
    })
    await page.goto(`${own.server.url}/#/audio`)
    await page.getByRole('link', { name: 'tape-1199.wav', exact: true }).waitFor()
    await page.getByRole('link', { name: 'tape-0.wav', exact: true }).waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('link', { name: 'tape-0.wav', exact: true }).waitFor()
  })

  test('records are paged through, looked at and deleted', async () => {
    await own.collection('paged')
    const records = Array.from({ length: 60 }, (_, i) => ({ key: `key-${i}`, vector: [i, 1], metadata: { n: i }, document: `text ${i}` }))
    await own.server.call('POST', '/v1/collections/paged/records', { json: { records } })
    const page = await own.open('#/collections/paged')
    await page.getByRole('link', { name: 'key-0', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByRole('link', { name: 'key-25', exact: true }).click()
    const record = page.getByRole('region', { name: 'Record' })
    await record.getByText('text 25').waitFor()
    await record.getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('button', { name: 'Delete it' }).click()
    await page.getByText('The record is deleted').waitFor()
    expect((await own.server.call('GET', '/v1/collections/paged/count')).json).toEqual({ count: 59 })
  })
})

describe.skipIf(!chromiumPath)('a server with keys', () => {
  test('asks for one, takes a right one for this tab only, and refuses what its role may not', async () => {
    const keys = [
      { id: 'boss', secret: 'boss-secret-0123456789', role: 'admin' },
      { id: 'look', secret: 'look-secret-0123456789', role: 'read' },
    ]
    const built = await buildTestConsole()
    const browser = await launch()
    const keyed = await ConsoleTest.start(browser, built.folder, { keys: JSON.stringify(keys) })
    try {
      const page = await keyed.open()
      await page.getByRole('link', { name: 'Enter a key' }).click()
      const enter = async (secret: string) => {
        await page.getByLabel('Secret of a key').fill(secret)
        await page.getByRole('button', { name: 'Use it' }).click()
      }
      await enter('wrong-secret-0123456789')
      await page.getByText('That key is not one of this server').waitFor()
      await enter('boss-secret-0123456789')
      await page.getByRole('row').filter({ hasText: 'look' }).waitFor()
      expect(await page.content()).not.toContain('0123456789')
      expect(page.url()).not.toContain('0123456789')
      expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain('0123456789')
      await enter('look-secret-0123456789')
      await page.getByText('role read').waitFor()
      await page.getByRole('link', { name: 'Collections' }).click()
      await page.getByRole('button', { name: 'New collection' }).click()
      await page.getByLabel('Name').fill('forbidden')
      await page.getByRole('button', { name: 'Make it' }).click()
      await page.getByText('has role read, this needs admin').waitFor()
      await page.keyboard.press('Escape')
      // Without the key a link would be refused.
      const downloading = page.waitForEvent('download')
      await page.getByRole('link', { name: 'API', exact: true }).click()
      const download = await downloading
      expect(download.suggestedFilename()).toBe('openapi.json')
      expect(JSON.parse(readFileSync(await download.path(), 'utf8')).openapi).toBe('3.1.0')
      const other = await keyed.open()
      await other.getByRole('link', { name: 'Enter a key' }).waitFor()
      await page.getByRole('link', { name: 'Access keys' }).click()
      await page.getByRole('button', { name: 'Forget it' }).click()
      await page.getByText('This server needs a key').waitFor()
    } finally {
      await keyed.stop()
      await browser.close()
      built.remove()
    }
  })
})
