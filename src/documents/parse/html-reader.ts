import { Parser } from 'htmlparser2'
import { WindlassError } from '../../base/errors.ts'
import type { Block } from '../document.ts'
import { HeadingTrail } from '../headings.ts'
import { headingBlock } from './heading-block.ts'
import { tableText } from './table-text.ts'

/** Elements whose text is not the document's, and those that only lead elsewhere. */
const skipped = new Set(
  'script style noscript template svg iframe object nav footer aside button select textarea datalist dialog canvas audio video map'.split(
    ' ',
  ),
)
const skippedRoles = new Set(['navigation', 'contentinfo', 'search', 'menu', 'menubar', 'toolbar', 'dialog', 'alert'])
/** Elements that end the text before them and after them. */
const blocks = new Set(
  'address article blockquote body caption center dd details dialog div dl dt fieldset figcaption figure form head header hgroup hr html legend li main ol p pre section summary table tbody td tfoot th thead title tr ul h1 h2 h3 h4 h5 h6'.split(
    ' ',
  ),
)
/** Far more than people write. htmlparser2 takes time by the square of the depth, and no tree is worth minutes. */
const depthMax = 4096
/** A table that grows beyond this becomes more than one block. */
const tableCharsMax = 16 * 1024

interface Table {
  header: string[] | null
  rows: string[][]
  row: string[] | null
  rowIsHeader: boolean
  start: number
  chars: number
}

/** Where a block lies, as indexes into the text; the caller knows what they mean. */
export type Locate = (start: number, end: number) => Partial<Block>

/** Reads HTML as it comes, without a tree. Follows htmlparser2's reading of broken markup. */
export class HtmlReader {
  title: string | undefined
  language: string | undefined
  readonly #trail: HeadingTrail
  readonly #locate: Locate
  readonly #parser: Parser
  readonly #name: string
  #found: Block[] = []
  #depth = 0
  #text = ''
  #start = 0
  #end = 0
  /** Open elements inside a skipped one, itself included. */
  #skipDepth = 0
  #preDepth = 0
  #listDepth = 0
  #marker = ''
  #heading = 0
  #inTitle = false
  #tableDepth = 0
  #table: Table | null = null

  /** @param name Of the file, for errors. */
  constructor(name: string, locate: Locate, trail = new HeadingTrail()) {
    this.#name = name
    this.#locate = locate
    this.#trail = trail
    this.#parser = new Parser(
      {
        onopentag: (name, attributes) => this.#open(name, attributes),
        ontext: (text) => this.#append(text),
        onclosetag: (name) => this.#close(name),
      },
      { decodeEntities: true, lowerCaseTags: true },
    )
  }

  /** Reads on. @returns the blocks that are complete by now. */
  write(html: string): Block[] {
    this.#parser.write(html)
    return this.#take()
  }

  end(): Block[] {
    this.#parser.end()
    this.#flushTable()
    this.#flush()
    return this.#take()
  }

  #take(): Block[] {
    const found = this.#found
    this.#found = []
    return found
  }

  #open(name: string, attributes: Record<string, string>): void {
    if (++this.#depth > depthMax)
      throw new WindlassError('invalid', `${this.#name} nests elements deeper than ${depthMax} levels`, {
        path: this.#name,
      })
    if (this.#skipDepth > 0 || isSkipped(name, attributes)) {
      this.#skipDepth++
      return
    }
    if (name === 'html' && attributes.lang) this.language = attributes.lang
    if (name === 'br') return this.#break()
    if (name === 'img') return this.#append(attributes.alt ?? '')
    if (!blocks.has(name)) return
    if (this.#openTablePart(name)) return
    this.#flush()
    if (name === 'title') this.#inTitle = this.title === undefined
    else if (name === 'pre') this.#preDepth++
    else if (name === 'ul' || name === 'ol') this.#listDepth++
    else if (name === 'li') this.#marker = '- '
    else if (/^h[1-6]$/.test(name)) this.#heading = Number(name[1])
  }

  #close(name: string): void {
    this.#depth--
    if (this.#skipDepth > 0) {
      this.#skipDepth--
      return
    }
    if (!blocks.has(name)) return
    if (name === 'title' && this.#inTitle) {
      this.title = this.#text.trim() || undefined
      this.#text = ''
      this.#inTitle = false
    }
    if (this.#closeTablePart(name)) return
    this.#flush()
    if (name === 'pre') this.#preDepth = Math.max(0, this.#preDepth - 1)
    else if (name === 'ul' || name === 'ol') this.#listDepth = Math.max(0, this.#listDepth - 1)
    else if (name === 'li') this.#marker = ''
  }

  #append(text: string): void {
    if (this.#skipDepth > 0) return
    const added = this.#preDepth > 0 && !this.#table ? text : text.replace(/\s+/g, ' ')
    if (this.#text === '') {
      if (this.#preDepth === 0 && added.trim() === '') return
      this.#start = this.#parser.startIndex
    }
    if (added.trim() !== '') this.#end = this.#parser.endIndex + 1
    this.#text += /\s$/.test(this.#text) && this.#preDepth === 0 ? added.trimStart() : added
  }

  #break(): void {
    if (this.#text !== '') this.#text = (this.#preDepth > 0 ? this.#text : this.#text.trimEnd()) + '\n'
  }

  /** Ends the block that is being read. */
  #flush(): void {
    const raw = this.#text
    const heading = this.#heading
    this.#text = ''
    this.#heading = 0
    if (raw.trim() === '' || this.#inTitle) return
    const place = this.#locate(this.#start, this.#end)
    if (heading > 0) {
      this.#found.push(headingBlock(this.#trail, heading, raw.replace(/\s+/g, ' ').trim(), place))
      return
    }
    const common = { headingPath: this.#trail.path, ...place }
    if (this.#preDepth > 0) this.#found.push({ kind: 'code', text: raw.replace(/^\s*\n/, '').trimEnd(), ...common })
    else if (this.#listDepth > 0) {
      const indentation = '  '.repeat(Math.min(this.#listDepth - 1, 8))
      this.#found.push({ kind: 'list', text: indentation + (this.#marker || '  ') + raw.trim(), ...common })
      this.#marker = ''
    } else this.#found.push({ kind: 'paragraph', text: raw.trim(), ...common })
  }

  /** @returns whether the element was taken for part of a table of data. */
  #openTablePart(name: string): boolean {
    if (name === 'table') {
      this.#tableDepth++
      this.#flushTable()
      this.#flush()
      // A table in a table lays out the page: read both as what they hold.
      if (this.#tableDepth === 1)
        this.#table = { header: null, rows: [], row: null, rowIsHeader: true, start: this.#parser.startIndex, chars: 0 }
      return true
    }
    const table = this.#table
    if (!table) return false
    if (/^h[1-6]$/.test(name) || name === 'pre') {
      this.#flushTable()
      return false
    }
    if (name === 'tr') {
      table.row = []
      table.rowIsHeader = true
      this.#text = ''
    } else if (name === 'td' || name === 'th') {
      this.#text = ''
      if (name === 'td') table.rowIsHeader = false
    } else if (this.#text !== '' && !/\s$/.test(this.#text)) this.#text += ' '
    return true
  }

  #closeTablePart(name: string): boolean {
    const table = this.#table
    if (name === 'table') {
      this.#tableDepth = Math.max(0, this.#tableDepth - 1)
      this.#flushTable()
      this.#flush()
      return true
    }
    if (!table) return false
    if (name === 'td' || name === 'th') {
      table.row?.push(this.#text.trim())
      table.chars += this.#text.length
      this.#text = ''
    } else if (name === 'tr' && table.row) {
      if (table.rowIsHeader && !table.header && table.rows.length === 0 && table.row.length > 0)
        table.header = table.row
      else table.rows.push(table.row)
      table.row = null
      if (table.chars > tableCharsMax) this.#emitTable(table)
    } else if (name === 'caption') {
      const text = this.#text.trim()
      this.#text = ''
      if (text !== '')
        this.#found.push({
          kind: 'paragraph',
          text,
          headingPath: this.#trail.path,
          ...this.#locate(this.#start, this.#end),
        })
    } else if (this.#text !== '' && !/\s$/.test(this.#text)) this.#text += ' '
    return true
  }

  /** Ends the table that is being read, if there is one, with what it has so far. */
  #flushTable(): void {
    const table = this.#table
    if (!table) return
    this.#table = null
    if (table.row && table.row.length > 0) table.rows.push(table.row)
    this.#emitTable(table)
  }

  #emitTable(table: Table): void {
    const text = tableText(table.rows, table.header)
    table.rows = []
    table.chars = 0
    if (text !== '')
      this.#found.push({
        kind: 'table',
        text,
        headingPath: this.#trail.path,
        ...this.#locate(table.start, Math.max(table.start, this.#end)),
      })
    table.start = this.#end
  }
}

function isSkipped(name: string, attributes: Record<string, string>): boolean {
  return (
    skipped.has(name) ||
    attributes.hidden !== undefined ||
    attributes['aria-hidden'] === 'true' ||
    skippedRoles.has(attributes.role ?? '') ||
    /display:\s*none/i.test(attributes.style ?? '')
  )
}
