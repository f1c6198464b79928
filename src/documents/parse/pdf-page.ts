import type { Block } from '../document.ts'
import { HeadingTrail } from '../headings.ts'
import { headingBlock } from './heading-block.ts'

/** A run of text as pdfjs gives it. */
export interface TextItem {
  readonly str: string
  /** `[a, b, c, d, x, y]`, y growing upwards. */
  readonly transform: readonly number[]
  readonly width: number
  readonly height: number
  readonly hasEOL: boolean
}

interface TextLine {
  text: string
  x: number
  y: number
  right: number
  height: number
}

/** Turns the text runs of pages into blocks. One for a whole file, so that headings reach across pages. */
export class PageReader {
  readonly #trail = new HeadingTrail()
  readonly #bodyHeight: number

  /** @param bodyHeight Height of ordinary text. */
  constructor(bodyHeight: number) {
    this.#bodyHeight = bodyHeight
  }

  *read(items: readonly TextItem[], page: number): Generator<Block> {
    const lines = joinLines(items).filter(
      (line, i, all) => !((i === 0 || i === all.length - 1) && isPageNumber(line.text)),
    )
    const right = Math.max(...lines.map((line) => line.right))
    let paragraph: TextLine[] = []
    for (const [i, line] of lines.entries()) {
      const before = lines[i - 1]
      if (before && startsParagraph(line, before, right)) {
        yield this.#block(paragraph, page)
        paragraph = []
      }
      paragraph.push(line)
    }
    if (paragraph.length > 0) yield this.#block(paragraph, page)
  }

  #block(lines: readonly TextLine[], page: number): Block {
    const text = lines.map((line) => line.text).reduce(joinWrapped)
    const level = this.#headingLevel(lines[0]!.height, text)
    if (level > 0) return headingBlock(this.#trail, level, text, { page })
    return { kind: 'paragraph', text, headingPath: this.#trail.path, page }
  }

  /** PDF has no headings, only larger print: by how much tells the level; 0 for ordinary text. */
  #headingLevel(height: number, text: string): number {
    const ratio = this.#bodyHeight > 0 ? height / this.#bodyHeight : 1
    if (ratio < 1.15 || text.length > 150 || !/\p{L}/u.test(text) || /[.,;]$|… \S+$/.test(text)) return 0
    return ratio >= 1.7 ? 1 : ratio >= 1.35 ? 2 : 3
  }
}

/** The height that most characters have; 0 when there are none. */
export function bodyHeight(pages: readonly (readonly TextItem[])[]): number {
  const chars = new Map<number, number>()
  for (const item of pages.flat()) {
    const height = Math.round(item.height * 2) / 2
    if (item.str.trim() !== '') chars.set(height, (chars.get(height) ?? 0) + item.str.length)
  }
  return [...chars].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0]
}

function joinLines(items: readonly TextItem[]): TextLine[] {
  const lines: TextLine[] = []
  let line: TextLine | null = null
  for (const { str, transform, width, height, hasEOL } of items) {
    const [, , , , x = 0, y = 0] = transform
    if (str !== '') {
      line ??= { text: '', x, y, right: x, height: 0 }
      line.text += str
      if (str.trim() !== '') {
        line.right = Math.max(line.right, x + width)
        line.height = Math.max(line.height, height)
      }
    }
    if (hasEOL && line) {
      lines.push(line)
      line = null
    }
  }
  if (line) lines.push(line)
  // A row of dots leads to a page number.
  const clean = (text: string) =>
    text
      .replace(/(\s?\.){5,}\s?/g, ' … ')
      .replace(/\s+/g, ' ')
      .trim()
  return lines.map((one) => ({ ...one, text: clean(one.text) })).filter((one) => one.text !== '')
}

function startsParagraph(line: TextLine, before: TextLine, right: number): boolean {
  const gap = before.y - line.y
  const height = Math.max(line.height, before.height, 1)
  // Upwards is another column; half as far again as lines are apart is a space between paragraphs.
  if (gap < -0.5 * height || gap > 1.75 * height) return true
  if (Math.abs(line.height - before.height) > 0.12 * height) return true
  const isShort = before.right < before.x + 0.8 * (right - before.x)
  return (isShort && /[.!?:。！？]$/.test(before.text)) || /^([•‣◦▪–—]|\d{1,2}[.)])\s/.test(line.text)
}

/** Joins two lines of a paragraph; a hyphen before a small letter was only for the line end. */
function joinWrapped(text: string, next: string): string {
  if (/\p{L}-$/u.test(text) && /^\p{Ll}/u.test(next)) return text.slice(0, -1) + next
  const isDense =
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u.test(text) &&
    /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(next)
  return text + (isDense ? '' : ' ') + next
}

function isPageNumber(text: string): boolean {
  return /^[-–\s]*(page\s+)?(\d{1,4}|[ivxlc]{1,6})(\s*(of|\/)\s*\d{1,4})?[-–\s]*$/i.test(text)
}
