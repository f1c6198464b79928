import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { messageOf, WindlassError } from '../../base/errors.ts'
import { loadOptional } from '../../base/optional.ts'
import type { Block, ParsedDocument } from '../document.ts'
import type { Source } from '../read/source.ts'
import { bodyHeight, PageReader, type TextItem } from './pdf-page.ts'

/** What we use of pdfjs-dist. */
interface Pdf {
  readonly numPages: number
  getPage(number: number): Promise<{ getTextContent(): Promise<{ items: unknown[] }>; cleanup(): boolean }>
  getMetadata(): Promise<{ info: object }>
}

/** Pages looked at to learn the size of ordinary text, before the first block. */
const sampledPages = 3

/**
 * Reads the text layer of a PDF by pdfjs-dist, page by page: lines joined into paragraphs, larger print taken for headings.
 * Runs no script of the file, draws nothing and fetches nothing; character maps come from the installed package.
 * @throws {WindlassError} `invalid` for a damaged or encrypted file, and at the end of one without text; `missing-dependency`.
 */
export async function parsePdf(source: Source): Promise<Omit<ParsedDocument, 'format'>> {
  const bytes = await source.readAll()
  const pdfjs = await loadOptional('pdfjs-dist', loadPdfjs)
  const folder = dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json'))
  const task = pdfjs.getDocument({
    // A copy: pdfjs takes the buffer for itself.
    data: new Uint8Array(bytes),
    cMapUrl: `${folder}/cmaps/`,
    standardFontDataUrl: `${folder}/standard_fonts/`,
    isEvalSupported: false,
    disableFontFace: true,
    useSystemFonts: false,
    useWasm: false,
    useWorkerFetch: false,
    isOffscreenCanvasSupported: false,
    isImageDecoderSupported: false,
    enableXfa: false,
    verbosity: 0,
  })
  let pdf: Pdf
  let title: string | undefined
  const sample: TextItem[][] = []
  try {
    pdf = await task.promise
    title = titleOf((await pdf.getMetadata().catch(() => ({ info: {} }))).info)
    for (let number = 1; number <= Math.min(sampledPages, pdf.numPages); number++)
      sample.push(await readItems(pdf, number))
  } catch (cause) {
    await task.destroy()
    throw pdfError(source.name, cause)
  }
  return { ...(title !== undefined && { title }), blocks: pages(pdf, sample, source.name, () => task.destroy()) }
}

async function* pages(
  pdf: Pdf,
  sample: readonly TextItem[][],
  name: string,
  destroy: () => Promise<void>,
): AsyncGenerator<Block> {
  const reader = new PageReader(bodyHeight(sample))
  let hasText = false
  try {
    for (let number = 1; number <= pdf.numPages; number++) {
      const items =
        sample[number - 1] ?? (await readItems(pdf, number).catch((cause: unknown) => pdfError(name, cause)))
      if (items instanceof WindlassError) throw items
      for (const block of reader.read(items, number)) {
        hasText = true
        yield block
      }
    }
    if (!hasText)
      throw new WindlassError(
        'invalid',
        `${name} has no text layer on any of its ${pdf.numPages} pages (scanned?): run it through OCR first`,
        { path: name },
      )
  } finally {
    await destroy()
  }
}

async function readItems(pdf: Pdf, number: number): Promise<TextItem[]> {
  const page = await pdf.getPage(number)
  const { items } = await page.getTextContent()
  page.cleanup()
  return items.filter((item): item is TextItem => typeof (item as TextItem).str === 'string')
}

/** Loads pdfjs so that it needs no canvas to draw on, and takes back the globals that it would set for that. */
async function loadPdfjs(): Promise<typeof import('pdfjs-dist/legacy/build/pdf.mjs')> {
  const scope = globalThis as Record<string, unknown>
  const wanted: Record<string, unknown> = {
    DOMMatrix: class {},
    ImageData: class {},
    Path2D: class {},
    navigator: { language: 'en', platform: '', userAgent: '' },
  }
  const added = Object.keys(wanted).filter((name) => scope[name] === undefined)
  for (const name of added) scope[name] = wanted[name]
  try {
    return await import('pdfjs-dist/legacy/build/pdf.mjs')
  } finally {
    for (const name of added) delete scope[name]
  }
}

function titleOf(info: object): string | undefined {
  const title = (info as { Title?: unknown }).Title
  if (typeof title !== 'string') return undefined
  const clean = title.replace(/\s+/g, ' ').trim()
  // Printer drivers put the name of the file that was printed.
  return clean === '' || clean === 'untitled' || /^[a-z]:\\|\.\w{3,4}$/i.test(clean) ? undefined : clean
}

function pdfError(name: string, cause: unknown): WindlassError {
  const isEncrypted = (cause as { name?: unknown } | null)?.name === 'PasswordException'
  const message = isEncrypted
    ? `${name} is encrypted: save it without a password`
    : `${name} is damaged or not a PDF: ${messageOf(cause)}`
  return new WindlassError('invalid', message, { path: name, cause })
}
