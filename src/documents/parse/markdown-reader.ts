import MarkdownIt, { type Token } from 'markdown-it'
import type { Block } from '../document.ts'
import { HeadingTrail } from '../headings.ts'
import type { Line } from '../read/lines.ts'
import { headingBlock } from './heading-block.ts'
import { HtmlReader } from './html-reader.ts'
import { tableText } from './table-text.ts'

const markdown = new MarkdownIt({ html: true, linkify: false })

/** Turns lines of Markdown into blocks. One for a whole file, so that headings reach across its pieces. */
export class MarkdownReader {
  readonly #name: string
  readonly #trail = new HeadingTrail()
  readonly #mayBeVerbatim: boolean
  #lines: readonly Line[] = []
  #blocks: Block[] = []

  /**
   * @param name Of the file, for errors.
   * @param mayBeVerbatim The file is UTF-8.
   */
  constructor(name: string, mayBeVerbatim: boolean) {
    this.#name = name
    this.#mayBeVerbatim = mayBeVerbatim
  }

  read(lines: readonly Line[]): Block[] {
    this.#lines = lines
    this.#blocks = []
    const tokens = markdown.parse(lines.map((line) => line.text).join('\n'), {})
    for (let i = 0; i < tokens.length;) i = this.#readToken(tokens, i)
    return this.#blocks
  }

  /** Reads what begins at token `i`. @returns where the next begins. */
  #readToken(tokens: readonly Token[], i: number): number {
    const token = tokens[i]!
    switch (token.type) {
      case 'heading_open': {
        const text = inlineText(tokens[i + 1]!)
          .replace(/\s+/g, ' ')
          .trim()
        // A heading in a quotation is the quoted text's.
        if (token.level > 0) this.#push('paragraph', text, token)
        else if (text !== '')
          this.#blocks.push(headingBlock(this.#trail, Number(token.tag.slice(1)), text, this.#place(token, text)))
        return i + 3
      }
      case 'inline':
        this.#push('paragraph', inlineText(token).trim(), token)
        return i + 1
      case 'fence':
      case 'code_block':
        this.#pushCode(token)
        return i + 1
      case 'html_block':
        this.#pushHtml(token)
        return i + 1
      case 'table_open':
        return this.#readTable(tokens, i)
      case 'list_item_open':
        return this.#readItem(tokens, i)
      default:
        return i + 1
    }
  }

  #readTable(tokens: readonly Token[], start: number): number {
    const rows: string[][] = []
    let i = start + 1
    for (; tokens[i]!.type !== 'table_close'; i++) {
      const token = tokens[i]!
      if (token.type === 'tr_open') rows.push([])
      else if (token.type === 'inline') rows[rows.length - 1]?.push(inlineText(token))
    }
    const [header = [], ...rest] = rows
    this.#push('table', tableText(rest, header), tokens[start]!)
    return i + 1
  }

  /** An item of an outermost list is one block, with all that it holds. */
  #readItem(tokens: readonly Token[], start: number): number {
    const item = tokens[start]!
    const lines: string[] = []
    let depth = 0
    let marker = ''
    let i = start
    do {
      const token = tokens[i]!
      if (token.type === 'list_item_open') {
        depth++
        marker = token.info !== '' ? `${token.info}. ` : '- '
      } else if (token.type === 'list_item_close') depth--
      const text =
        token.type === 'inline'
          ? inlineText(token)
          : token.type === 'fence' || token.type === 'code_block'
            ? token.content
            : token.type === 'html_block'
              ? textOfHtml(token.content, this.#name)
              : ''
      if (text.trim() !== '') {
        const indentation = '  '.repeat(Math.max(0, Math.min(depth - 1, 8)))
        for (const line of text.trimEnd().split('\n')) {
          lines.push(indentation + (marker || '  ') + line)
          marker = ''
        }
      }
      i++
    } while (depth > 0 && i < tokens.length)
    this.#push('list', lines.join('\n'), item)
    return i
  }

  #push(kind: Block['kind'], text: string, token: Token): void {
    if (text.trim() !== '')
      this.#blocks.push({ kind, text, headingPath: this.#trail.path, ...this.#place(token, text) })
  }

  #pushCode(token: Token): void {
    const text = token.content.replace(/^(\s*\n)+/, '').trimEnd()
    if (text === '') return
    const [start, end] = token.map ?? [0, 0]
    // The place of fenced code is between its fences.
    const isClosed = /^[\s>]*(`{3,}|~{3,})\s*$/.test(this.#lines[end - 1]?.text ?? '')
    const inner: [number, number] =
      token.type === 'fence' && end - start > 2 ? [start + 1, isClosed ? end - 1 : end] : [start, end]
    this.#blocks.push({ kind: 'code', text, headingPath: this.#trail.path, ...this.#placeOf(inner, text) })
  }

  #pushHtml(token: Token): void {
    const reader = new HtmlReader(this.#name, () => this.#place(token, ''), this.#trail)
    this.#blocks = this.#blocks.concat(reader.write(token.content), reader.end())
  }

  #place(token: Token, text: string): Partial<Block> {
    return token.map ? this.#placeOf(token.map, text) : {}
  }

  /** The place of lines `[start, end)`; of exactly `text`, if those lines hold it unchanged. */
  #placeOf([start, end]: readonly [number, number], text: string): Partial<Block> {
    const textLines = text.split('\n')
    const at = this.#findLines(textLines, start, end)
    if (at >= 0) return { ...this.#span(at, at + textLines.length), ...(this.#mayBeVerbatim && { verbatim: true }) }
    let last = Math.min(end, this.#lines.length)
    while (last > start + 1 && this.#lines[last - 1]!.text.trim() === '') last--
    return this.#span(start, last)
  }

  #span(start: number, end: number): Partial<Block> {
    const first = this.#lines[start]
    const last = this.#lines[end - 1]
    if (!first || !last) return {}
    const bytes =
      first.byteStart !== undefined && last.byteEnd !== undefined
        ? { byteStart: first.byteStart, byteEnd: last.byteEnd }
        : {}
    return { lineStart: first.number, lineEnd: last.number, ...bytes }
  }

  /** Where in `[start, end)` the lines stand as they are; -1 where they do not, or where a line is a piece of a longer one. */
  #findLines(textLines: readonly string[], start: number, end: number): number {
    // Text begins on its first line, or after a blank one or two.
    const lastStart = Math.min(end, this.#lines.length, start + 3 + textLines.length) - textLines.length
    for (let at = start; at <= lastStart; at++) {
      if (this.#lines[at]!.text !== textLines[0]) continue
      if (textLines.every((line, i) => this.#lines[at + i]!.text === line && this.#lines[at + i]!.ended)) return at
    }
    return -1
  }
}

function textOfHtml(html: string, name: string): string {
  const reader = new HtmlReader(name, () => ({}))
  return reader
    .write(html)
    .concat(reader.end())
    .map((block) => block.text)
    .join('\n')
}

/** What a reader sees: no markup, no addresses; an image's description. */
function inlineText(token: Token): string {
  let text = ''
  for (const child of token.children ?? []) {
    if (child.type === 'text' || child.type === 'code_inline' || child.type === 'image') text += child.content
    else if (child.type === 'softbreak' || child.type === 'hardbreak') text += '\n'
    else if (child.type === 'html_inline' && /^<br\b/i.test(child.content)) text += '\n'
  }
  return text
}
