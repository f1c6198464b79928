import { Parser } from 'htmlparser2'
import type { Block } from '../document.ts'
import { HeadingTrail } from '../headings.ts'
import { headingBlock } from './heading-block.ts'
import { tableText } from './table-text.ts'

/** What a paragraph style means for us. */
export interface ParagraphStyle {
  /** 1 to 9 for headings, 0 for the title. */
  readonly level?: number
  readonly isList?: boolean
  /** The table of contents says again what the headings say. */
  readonly isContents?: boolean
}

interface Paragraph {
  text: string
  style: ParagraphStyle
  notes: string[]
}

interface Table {
  rows: string[][]
  cell: string
  hasHeader: boolean
}

type Attributes = Readonly<Record<string, string>>

/** Text that is there, but not for readers: the old place of moved text, and the second writing of a drawing. */
const skipped = new Set(['moveFrom', 'Fallback', 'del', 'instrText', 'delText'])

/** Reads the document part as it comes. Goes by local names: prefixes are the writer's choice. */
export class DocxReader {
  /** The body has been closed. */
  isComplete = false
  readonly #styles: ReadonlyMap<string, ParagraphStyle>
  readonly #notes: ReadonlyMap<string, string>
  readonly #trail = new HeadingTrail()
  readonly #parser: Parser
  #found: Block[] = []
  /** Paragraphs nest: a text box stands in a paragraph. */
  readonly #paragraphs: Paragraph[] = []
  readonly #tables: Table[] = []
  #inText = false
  #isHidden = false
  #skipDepth = 0

  constructor(styles: ReadonlyMap<string, ParagraphStyle>, notes: ReadonlyMap<string, string>) {
    this.#styles = styles
    this.#notes = notes
    this.#parser = parseXml({
      open: (name, attributes) => this.#open(name, attributes),
      text: (text) => this.#append(text),
      close: (name) => this.#close(name),
    })
  }

  write(xml: string): Block[] {
    this.#parser.write(xml)
    return this.#take()
  }

  end(): Block[] {
    // The parser closes what is open, which is not the same as being closed.
    const { isComplete } = this
    this.#parser.end()
    this.isComplete = isComplete
    return this.#take()
  }

  #take(): Block[] {
    const found = this.#found
    this.#found = []
    return found
  }

  get #paragraph(): Paragraph | undefined {
    return this.#paragraphs[this.#paragraphs.length - 1]
  }

  #open(name: string, attributes: Attributes): void {
    if (this.#skipDepth > 0 || skipped.has(name)) {
      this.#skipDepth++
      return
    }
    const paragraph = this.#paragraph
    const table = this.#tables[this.#tables.length - 1]
    if (name === 'p') this.#paragraphs.push({ text: '', style: {}, notes: [] })
    else if (name === 'r') this.#isHidden = false
    else if (name === 't') this.#inText = true
    else if (name === 'tbl') this.#tables.push({ rows: [], cell: '', hasHeader: false })
    else if (name === 'tr') table?.rows.push([])
    else if (name === 'tc' && table) table.cell = ''
    else if (name === 'tblHeader' && table?.rows.length === 1) table.hasHeader = attributes.val !== '0'
    else if (name === 'tblLook' && table)
      table.hasHeader = attributes.firstRow === '1' || (parseInt(attributes.val ?? '0', 16) & 0x20) !== 0
    else if (paragraph) this.#openInParagraph(name, attributes, paragraph)
  }

  #openInParagraph(name: string, attributes: Attributes, paragraph: Paragraph): void {
    if (name === 'pStyle') paragraph.style = { ...this.#styles.get(attributes.val ?? ''), ...paragraph.style }
    else if (name === 'outlineLvl') paragraph.style = { ...paragraph.style, ...levelOf(attributes) }
    else if (name === 'numPr') paragraph.style = { ...paragraph.style, isList: true }
    else if (name === 'vanish') this.#isHidden = attributes.val !== '0' && attributes.val !== 'false'
    else if (name === 'br' || name === 'cr') paragraph.text += '\n'
    else if (name === 'tab' && attributes.val === undefined) paragraph.text += ' '
    else if (name === 'noBreakHyphen') paragraph.text += '-'
    else if (name === 'footnoteReference' || name === 'endnoteReference') {
      const note = this.#notes.get(`${name.slice(0, -'Reference'.length)} ${attributes.id}`)
      if (note) paragraph.notes.push(note)
    }
  }

  #append(text: string): void {
    if (this.#inText && !this.#isHidden && this.#skipDepth === 0 && this.#paragraph) this.#paragraph.text += text
  }

  #close(name: string): void {
    if (this.#skipDepth > 0) {
      this.#skipDepth--
      return
    }
    if (name === 't') this.#inText = false
    else if (name === 'p') this.#endParagraph()
    else if (name === 'tc') {
      const table = this.#tables[this.#tables.length - 1]
      table?.rows[table.rows.length - 1]?.push(table.cell.trim())
    } else if (name === 'tbl') this.#endTable()
    else if (name === 'body') this.isComplete = true
  }

  #endParagraph(): void {
    const paragraph = this.#paragraphs.pop()
    if (!paragraph) return
    const text = paragraph.text.replace(/[^\S\n]+/g, ' ').trim()
    const table = this.#tables[this.#tables.length - 1]
    if (table) {
      table.cell += ` ${[text, ...paragraph.notes].join(' ')}`
      return
    }
    const { level, isList, isContents } = paragraph.style
    if (text !== '' && !isContents) {
      if (level !== undefined)
        this.#found.push(headingBlock(this.#trail, Math.min(level, 6), text.replace(/\s+/g, ' '), {}))
      else
        this.#found.push({
          kind: isList ? 'list' : 'paragraph',
          text: isList ? `- ${text}` : text,
          headingPath: this.#trail.path,
        })
    }
    for (const note of paragraph.notes)
      this.#found.push({ kind: 'paragraph', text: note, headingPath: this.#trail.path })
  }

  #endTable(): void {
    const table = this.#tables.pop()
    if (!table) return
    const outer = this.#tables[this.#tables.length - 1]
    const first = table.rows[0] ?? []
    const hasHeader =
      table.hasHeader &&
      table.rows.length > 1 &&
      first.length > 1 &&
      first.every((cell) => cell !== '' && cell.length <= 100)
    const text = tableText(hasHeader ? table.rows.slice(1) : table.rows, hasHeader ? first : null)
    if (outer) outer.cell += ` ${text}`
    else if (text !== '') this.#found.push({ kind: 'table', text, headingPath: this.#trail.path })
  }
}

/** What each paragraph style of the styles part means, by its id; what it is based on counts too. */
export function readStyles(xml: string): Map<string, ParagraphStyle> {
  const own = new Map<string, { style: ParagraphStyle; basedOn?: string }>()
  let id = ''
  const add = (style: ParagraphStyle) => own.set(id, { ...own.get(id), style: { ...own.get(id)?.style, ...style } })
  const parser = parseXml({
    open(name, attributes) {
      const { val = '' } = attributes
      if (name === 'style') {
        id = attributes.styleId ?? ''
        add({})
      } else if (name === 'name') {
        const level = /^heading ([1-9])$/i.exec(val)?.[1]
        if (level !== undefined) add({ level: Number(level) })
        else if (/^title$/i.test(val)) add({ level: 0 })
        else if (/^toc\b/i.test(val)) add({ isContents: true })
        else if (/^list\b/i.test(val)) add({ isList: true })
      } else if (name === 'basedOn') own.set(id, { style: {}, ...own.get(id), basedOn: val })
      else if (name === 'outlineLvl') add(levelOf(attributes))
    },
  })
  parser.end(xml)
  const resolved = new Map<string, ParagraphStyle>()
  for (const start of own.keys()) {
    let style: ParagraphStyle = {}
    // Eleven levels are more than Word allows; a damaged file may go in circles.
    for (
      let at: string | undefined = start, depth = 0;
      at !== undefined && depth < 11;
      at = own.get(at)?.basedOn, depth++
    )
      style = { ...own.get(at)?.style, ...style }
    resolved.set(start, style)
  }
  return resolved
}

/** The text of each note, by `footnote <id>` or `endnote <id>`. */
export function readNotes(xml: string, kind: 'footnote' | 'endnote'): Map<string, string> {
  const notes = new Map<string, string>()
  let id: string | undefined
  let inText = false
  const parser = parseXml({
    open(name, attributes) {
      // Separators are notes with a type.
      if (name === kind) id = attributes.type === undefined || attributes.type === 'normal' ? attributes.id : undefined
      else if (name === 't') inText = true
    },
    text(text) {
      if (inText && id !== undefined) notes.set(`${kind} ${id}`, (notes.get(`${kind} ${id}`) ?? '') + text)
    },
    close(name) {
      if (name === 't') inText = false
    },
  })
  parser.end(xml)
  return new Map([...notes].map(([key, text]) => [key, text.trim()]))
}

/** The title among a package's core properties. */
export function readTitle(xml: string): string | undefined {
  let title = ''
  let inTitle = false
  const parser = parseXml({
    open: (name) => (inTitle = name === 'title'),
    text: (text) => (title += inTitle ? text : ''),
    close: () => (inTitle = false),
  })
  parser.end(xml)
  return title.trim() || undefined
}

function levelOf(attributes: Attributes): ParagraphStyle {
  const level = Number(attributes.val)
  return level >= 0 && level < 9 ? { level: level + 1 } : {}
}

interface XmlHandler {
  open(name: string, attributes: Attributes): void
  text?(text: string): void
  close?(name: string): void
}

/** An XML parser that tells local names only. It knows the five entities of XML and no others, so none can be defined. */
function parseXml({ open, text, close }: XmlHandler): Parser {
  return new Parser(
    {
      onopentag: (name, attributes) =>
        open(
          localName(name),
          Object.fromEntries(Object.entries(attributes).map(([key, value]) => [localName(key), value])),
        ),
      ontext: (value) => text?.(value),
      onclosetag: (name) => close?.(localName(name)),
    },
    { xmlMode: true, decodeEntities: true },
  )
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}
