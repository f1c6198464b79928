// A real browser on a real server: what every test of the console begins with.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { expect } from 'vitest'
// @ts-expect-error a script, without types
import buildConsole from '../../scripts/build-console.mjs'
import { sampleRate } from '../../src/audio/pcm.ts'
import { encodeWav } from '../../src/audio/wav.ts'
import type { SettingName } from '../../src/config/settings.ts'
import { speak, voices } from '../audio/voices.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'

/** Path of a Chromium; the suite is skipped where it is not named. */
export const chromiumPath = process.env.WINDLASS_TEST_CHROMIUM

/** The console as `npm run build` makes it, in a folder of its own. */
export async function buildTestConsole(): Promise<{ folder: string; remove(): void }> {
  const parent = mkdtempSync(join(tmpdir(), 'windlass-console-'))
  const folder = join(parent, 'console')
  await (buildConsole as (target: string, options: { isForced: boolean }) => Promise<void>)(folder, { isForced: true })
  return { folder, remove: () => rmSync(parent, { recursive: true, force: true }) }
}

export function launch(): Promise<Browser> {
  // Without a sandbox: whoever runs the tests in a container is root there.
  return chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** A server, and the pages that look at it. */
export class ConsoleTest {
  readonly server: TestServer
  readonly #browser: Browser
  readonly #pages: Page[] = []
  /** Where pages sent requests to, other than to the server. */
  readonly strangers: string[] = []
  /** What pages complained of: errors of scripts, and what the policy refused. */
  readonly complaints: string[] = []

  constructor(server: TestServer, browser: Browser) {
    this.server = server
    this.#browser = browser
  }

  static async start(browser: Browser, consoleFolder: string, settings: Partial<Record<SettingName, string>> = {}, parts: Parameters<typeof startTestServer>[1] = {}): Promise<ConsoleTest> {
    return new ConsoleTest(await startTestServer(settings, { ...parts, consoleFolder }), browser)
  }

  /** A page in a browser that knows nothing yet. */
  async open(hash = '', options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB', timezoneId: 'UTC', ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(30_000)
    page.on('request', (request) => {
      if (!request.url().startsWith(this.server.url) && !/^(data|blob):/.test(request.url())) this.strangers.push(request.url())
    })
    page.on('pageerror', (error) => this.complaints.push(error.message))
    page.on('console', (message) => {
      // A refused request is an answer, and the page shows it.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) this.complaints.push(message.text())
    })
    this.#pages.push(page)
    await page.goto(`${this.server.url}/${hash}`)
    return page
  }

  async collection(name: string, files: Readonly<Record<string, string>> = {}, metadata: (path: string) => object = () => ({})): Promise<void> {
    await this.server.call('POST', '/v1/collections', { json: { name } })
    for (const [path, body] of Object.entries(files)) {
      const { status } = await this.server.call('PUT', `/v1/collections/${name}/documents/${encodeURIComponent(path)}?metadata=${encodeURIComponent(JSON.stringify(metadata(path)))}`, { body })
      expect(status).toBe(200)
    }
  }

  /** Closes the pages that a test opened, and says what they should not have done. */
  async settle(): Promise<void> {
    for (const page of this.#pages.splice(0)) await page.context().close()
    expect(this.strangers.splice(0)).toEqual([])
    expect(this.complaints.splice(0)).toEqual([])
  }

  async stop(): Promise<void> {
    await this.settle()
    await this.server.stop()
  }
}

/** 12 seconds of two people who say nothing, by turns. */
export function meetingWav(): Buffer {
  const turns = [speak(voices.dana, 3, 1), speak(voices.omer, 3, 2), speak(voices.dana, 2.5, 3), speak(voices.omer, 2, 4)]
  const samples = new Float32Array(12 * sampleRate)
  let at = 0
  for (const turn of turns) {
    samples.set(turn, at)
    at += turn.length + Math.round(0.5 * sampleRate)
  }
  return Buffer.from(encodeWav(samples))
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core finds serious or critical on a page, as it is now. */
export async function findings(page: Page): Promise<string[]> {
  // Evaluated by the debugger: the page's policy would refuse a script of ours.
  await page.evaluate(axeSource)
  const violations = await page.evaluate(async () => {
    interface Finding {
      id: string
      impact: string
      nodes: { html: string; failureSummary: string }[]
    }
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Finding[] }> } }
    return (await axe.run()).violations
  })
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`))
}
