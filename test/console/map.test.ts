// The map in a real browser: made, looked at, searched, moved by pointer and by keys, in both themes and without WebGL; and how evenly it moves
// with 100,000 points. Skipped unless WINDLASS_TEST_CHROMIUM says where a Chromium is.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { encodeMap, mapKey } from '../../src/library/map/map-object.ts'
import { DirectoryStore } from '../../src/store/directory-store.ts'
import { clusteredVectors } from '../../src/vector/projection/testing.ts'
import { buildTestConsole, chromiumPath, ConsoleTest, findings, launch } from './testing.ts'

const kinds = ['ship', 'sail', 'anchor']
const manyPoints = 100_000
const patience = { timeout: 30_000 }

describe.skipIf(!chromiumPath)('the map', () => {
  let built: Awaited<ReturnType<typeof buildTestConsole>>
  let browser: Browser
  let own: ConsoleTest
  let folder: string

  beforeAll(async () => {
    built = await buildTestConsole()
    browser = await launch()
    folder = mkdtempSync(join(tmpdir(), 'windlass-map-'))
    own = await ConsoleTest.start(browser, built.folder, { bucket: `file:${folder}` })
    const vectors = clusteredVectors({ centers: 3, count: 20, dimension: 8, spread: 0.1 }, seededRandom(1))
    const records = vectors.map((vector, i) => ({ key: `key ${i}`, vector, document: `A ${kinds[i % 3]} of the number ${i}.`, metadata: { title: `${kinds[i % 3]} ${i}`, kind: kinds[i % 3], year: 1900 + i } }))
    for (const name of ['fresh', 'fleet', 'renewed', 'many']) {
      expect((await own.server.call('POST', '/v1/collections', { json: { name, dimension: 8 } })).status).toBe(201)
      expect((await own.server.call('POST', `/v1/collections/${name}/records`, { json: { records } })).status).toBe(200)
    }
    await own.server.call('POST', '/v1/collections/fleet/map', { json: {} })
    await manyMapped((await own.server.call('GET', '/v1/collections/many')).json.id)
  }, 120_000)
  afterAll(async () => {
    await own?.stop()
    await browser?.close()
    built?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A map of many points, kept as one that was made. */
  async function manyMapped(collectionId: string): Promise<void> {
    const random = seededRandom(7)
    const codes = Uint8Array.from({ length: manyPoints }, () => 1 + Math.floor(random.next() * 8))
    await new DirectoryStore(folder).put(mapKey(collectionId), encodeMap({
      collectionId,
      logSequence: 1,
      recordCount: manyPoints,
      vectorlessCount: 0,
      madeAt: 1_700_000_000_000,
      method: 'test',
      keys: Array.from({ length: manyPoints }, (_, i) => `key ${i}`),
      versions: Array.from({ length: manyPoints }, () => '1'),
      positions: Uint16Array.from({ length: manyPoints * 2 }, () => Math.floor(((random.next() + random.next() + random.next()) / 3) * 65_535)),
      fields: [{ name: 'group', kind: 'text', values: Array.from({ length: 8 }, (_, i) => ({ value: `group ${i}`, count: 12_500 })), codes }],
    }))
  }

  /** A page that takes WebGL done in software for a graphics card: no test machine has one. */
  const openWithWebgl = async (hash: string) => {
    const page = await own.open('', { reducedMotion: 'reduce' })
    await page.addInitScript(() => {
      const original = WebGL2RenderingContext.prototype.getParameter
      WebGL2RenderingContext.prototype.getParameter = function (name: number) {
        return name === 0x9246 ? 'a card' : (original.call(this, name) as unknown)
      }
    })
    await page.goto(`${own.server.url}/${hash}`)
    await page.reload()
    return page
  }
  const canvasOf = (page: Page) => page.locator('.map-host canvas')
  /** Colours of the canvas, as it is seen. */
  const picture = async (page: Page) => (await canvasOf(page).screenshot()).toString('base64')

  test('is made when asked for, and then shown', async () => {
    const page = await own.open('#/map/fresh')
    await page.getByText('No map yet').waitFor()
    expect(await findings(page)).toEqual([])
    await page.getByRole('button', { name: 'Make the map' }).click()
    await canvasOf(page).waitFor()
    await page.getByText('60 records, made').waitFor()
    expect(await canvasOf(page).getAttribute('aria-label')).toBe('Map of fresh: 60 points')
    await own.settle()
  })

  test.each(['light', 'dark'] as const)('%s: axe-core finds nothing serious, and nothing sticks out of a narrow page', async (colorScheme) => {
    const page = await own.open('#/map/fleet', { colorScheme, reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    await page.getByRole('searchbox').fill('anchor')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: /found/ }).waitFor()
    expect(await findings(page)).toEqual([])
    await page.setViewportSize({ width: 400, height: 800 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400)
    await own.settle()
  })

  test('that was made anew meanwhile is shown as it is now, before a record is told of', async () => {
    const call = own.server.call.bind(own.server)
    const make = async () => {
      await call('POST', '/v1/collections/renewed/map', { json: { force: true } })
      await expect.poll(async () => (await call('GET', '/v1/collections/renewed/map')).json.run, patience).toBeNull()
    }
    await make()
    const page = await own.open('#/map/renewed', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    await page.getByText('60 records, made').waitFor()
    expect((await call('POST', '/v1/collections/renewed/records/delete', { json: { keys: ['key 0'] } })).status).toBe(200)
    await make()
    await canvasOf(page).focus()
    await page.keyboard.press('Enter')
    await page.getByText('59 records, made').waitFor()
    await canvasOf(page).waitFor()
    await canvasOf(page).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('region', { name: 'Chosen record' }).getByText(/of the number/).waitFor()
    await own.settle()
  })

  test('tells of the point under the pointer, and reads the one that is clicked', async () => {
    const page = await own.open('#/map/fleet', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    const box = (await canvasOf(page).boundingBox())!
    const { json } = await own.server.call('GET', '/v1/collections/fleet/map/points')
    const bytes = Buffer.from(json.positions, 'base64')
    const side = Math.min(box.width, box.height) * 0.94
    const at = { x: box.x + box.width / 2 + (bytes.readUInt16LE(0) / 65_535 - 0.5) * side, y: box.y + box.height / 2 + (bytes.readUInt16LE(2) / 65_535 - 0.5) * side }
    await page.mouse.move(at.x, at.y)
    await page.locator('.map-tip strong').waitFor()
    await expect.poll(() => page.locator('.map-tip').textContent(), { timeout: 30_000 }).toMatch(/^(ship|sail|anchor) \d+A (ship|sail|anchor) of/)
    await page.mouse.click(at.x, at.y)
    await page.getByRole('region', { name: 'Chosen record' }).getByText(/of the number/).waitFor()
    await own.settle()
  })

  test('lights up what a search finds, and flies there; words find it where the question cannot be embedded', async () => {
    const page = await own.open('#/map/fleet', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    const before = await picture(page)
    await page.getByRole('searchbox').fill('anchor')
    await page.getByRole('button', { name: 'Light up' }).click()
    await page.getByRole('heading', { name: '20 found' }).waitFor()
    const lit = await picture(page)
    expect(lit).not.toBe(before)
    await page.getByRole('region', { name: 'What was found' }).getByRole('button').first().click()
    await expect.poll(() => picture(page), patience).not.toBe(lit)
    await page.getByRole('button', { name: 'Clear' }).click()
    await expect.poll(() => picture(page), patience).toBe(before)
    await own.settle()
  })

  test('is used by keys alone', async () => {
    const page = await own.open('#/map/fleet', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    await canvasOf(page).focus()
    const pictures = [await picture(page)]
    for (const key of ['-', 'ArrowRight', 'ArrowDown', '+']) {
      await page.keyboard.press(key)
      await expect.poll(() => picture(page), { ...patience, message: key }).not.toBe(pictures.at(-1))
      pictures.push(await picture(page))
    }
    await page.keyboard.press('0')
    await expect.poll(() => picture(page), patience).toBe(pictures[0])
    await page.keyboard.press('Enter')
    await page.getByRole('region', { name: 'Chosen record' }).getByText(/of the number/).waitFor()
    await own.settle()
  })

  test('is coloured by a field, and shows one value of it', async () => {
    const page = await own.open('#/map/fleet', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    const legend = page.getByRole('list', { name: 'Colours of kind' })
    expect(await legend.getByRole('button').allTextContents()).toEqual(['anchor20', 'sail20', 'ship20'])
    const before = await picture(page)
    await legend.getByRole('button', { name: 'sail' }).click()
    await expect.poll(() => picture(page), patience).not.toBe(before)
    expect(await legend.getByRole('button', { name: 'sail' }).getAttribute('aria-pressed')).toBe('true')
    await page.getByLabel('Colour by').selectOption('year')
    await page.getByRole('img', { name: 'year from 1900 to 1959' }).waitFor()
    await own.settle()
  })

  test('WebGL and drawing by hand give much the same picture', async () => {
    const inked: number[] = []
    for (const painter of ['canvas', 'webgl']) {
      const page = painter === 'webgl' ? await openWithWebgl('#/map/fleet') : await own.open('#/map/fleet', { reducedMotion: 'reduce' })
      await canvasOf(page).waitFor()
      expect(await canvasOf(page).getAttribute('data-painter')).toBe(painter)
      // What is seen, decoded by the browser itself: a canvas of WebGL does not keep what it has shown.
      const shot = await picture(page)
      inked.push(await page.evaluate(async (base64) => {
        const image = new Image()
        image.src = `data:image/png;base64,${base64}`
        await image.decode()
        const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height })
        const context = canvas.getContext('2d')!
        context.drawImage(image, 0, 0)
        const { data } = context.getImageData(0, 0, image.width, image.height)
        const middle = (Math.floor(image.height / 2) * image.width + 4) * 4
        let count = 0
        for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i]! - data[middle]!) + Math.abs(data[i + 1]! - data[middle + 1]!) > 60) count++
        return count
      }, shot))
    }
    expect(inked[0]).toBeGreaterThan(500)
    expect(inked[1]! / inked[0]!).toBeGreaterThan(0.6)
    expect(inked[1]! / inked[0]!).toBeLessThan(1.6)
    await own.settle()
  })

  test.each(['webgl', 'canvas'])('100,000 points are drawn and moved by %s (frames told, not judged)', async (painter) => {
    const page = painter === 'webgl' ? await openWithWebgl('#/map/many') : await own.open('#/map/many', { reducedMotion: 'reduce' })
    await canvasOf(page).waitFor()
    await page.getByText('100,000 records').waitFor()
    expect(await canvasOf(page).getAttribute('data-painter')).toBe(painter)
    const before = await picture(page)
    const box = (await canvasOf(page).boundingBox())!
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
    const worked = async () => (await devtools.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')!.value * 1000
    const workBefore = await worked()
    // By software, WebGL takes its time.
    const count = painter === 'webgl' ? 20 : 120
    const frames = await page.evaluate(async ({ x, y, count }) => {
      const canvas = document.querySelector<HTMLCanvasElement>('.map-host canvas')!
      const send = (type: string, at: number) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: x + at, clientY: y + at / 2, bubbles: true, isPrimary: true }))
      canvas.setPointerCapture = () => undefined
      send('pointerdown', 0)
      const times: number[] = []
      await new Promise<void>((resolve) => {
        let at = 0
        const step = (now: number) => {
          times.push(now)
          if (times.length > count) return resolve()
          send('pointermove', (at += 3) % 240)
          requestAnimationFrame(step)
        }
        requestAnimationFrame(step)
      })
      send('pointerup', 0)
      return times.slice(1).map((time, i) => time - times[i]!).sort((a, b) => a - b)
    }, { x: box.x + box.width / 2, y: box.y + box.height / 2, count })
    const workMs = ((await worked()) - workBefore) / count
    console.log(`panning ${manyPoints} points by ${await canvasOf(page).getAttribute('data-painter')}: frames of ${frames[count / 2]!.toFixed(1)} ms (median), ${frames[Math.floor(count * 0.95)]!.toFixed(1)} ms (p95), ${workMs.toFixed(1)} ms of the page's own thread each`)
    expect(await picture(page)).not.toBe(before)
    await own.settle()
  })
})
