import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { decodeAll, detectEncoding } from '../read/encoding.ts'
import { readLines, type Line } from '../read/lines.ts'
import type { Source } from '../read/source.ts'

const delimiters = [',', '\t', ';', '|']
/** A quotation that is not closed by then was not meant as one; a longer row becomes more than one block. */
const rowCharsMax = 64 * 1024

/**
 * Reads comma-separated values (RFC 4180) and the like, by tab, semicolon or bar: one block a row, each value on a line of its
 * own with its column's name. Streams; rows may span lines. The first row names the columns if it looks like names.
 */
export async function parseCsv(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  const sample = decodeAll(source.head.subarray(0, 64 * 1024), encoding)
  return { encoding: encoding.label, blocks: rows(readLines(source, encoding), detectDelimiter(sample)) }
}

async function* rows(batches: AsyncIterable<Line[]>, delimiter: string): AsyncGenerator<Block> {
  const reader = new RowReader(delimiter)
  for await (const lines of batches) {
    for (const line of lines) {
      const block = reader.push(line)
      if (block) yield block
    }
  }
  const block = reader.end()
  if (block) yield block
}

/** Puts rows together from lines. */
class RowReader {
  readonly #delimiter: string
  #columns: string[] | null = null
  #fields: string[] = []
  #field = ''
  #inQuotes = false
  #isContinued = false
  #chars = 0
  #firstColumn = 0
  #first: Line | null = null
  #last: Line | null = null

  constructor(delimiter: string) {
    this.#delimiter = delimiter
  }

  /** @returns the row that this line ends, if it does, and if it is not the header or empty. */
  push(line: Line): Block | null {
    if (this.#inQuotes && !this.#isContinued) this.#field += '\n'
    this.#first ??= line
    this.#last = line
    this.#readFields(line.text)
    this.#isContinued = !line.ended
    this.#chars += line.text.length + 1
    if (this.#chars > rowCharsMax) return this.#cut(line)
    return line.ended && !this.#inQuotes ? this.end() : null
  }

  /** Ends the row that is being read. */
  end(): Block | null {
    if (!this.#first) return null
    this.#fields.push(this.#field)
    this.#field = ''
    this.#inQuotes = false
    const fields = this.#fields
    const firstColumn = this.#firstColumn
    this.#firstColumn = 0
    if (!this.#columns && firstColumn === 0) {
      const isHeader = looksLikeHeader(fields)
      this.#columns = isHeader ? fields.map((field) => field.replace(/\s+/g, ' ').trim()) : []
      if (isHeader) {
        this.#take()
        return null
      }
    }
    return this.#block(firstColumn)
  }

  /** Hands over the part of a row that is too long to hold; the rest goes on in the column where this part ended. */
  #cut(line: Line): Block | null {
    this.#fields.push(this.#field)
    this.#field = ''
    this.#inQuotes = false
    this.#columns ??= []
    const firstColumn = this.#firstColumn
    this.#firstColumn = line.ended ? 0 : firstColumn + this.#fields.length - 1
    return this.#block(firstColumn)
  }

  #block(firstColumn: number): Block | null {
    const columns = this.#columns ?? []
    const text = this.#fields
      .map((field, i) => ({
        value: field.replace(/\s+/g, ' ').trim(),
        column: columns[firstColumn + i] || `column ${firstColumn + i + 1}`,
      }))
      .filter(({ value }) => value !== '')
      .map(({ value, column }) => `${column}: ${value}`)
      .join('\n')
    const place = this.#take()
    return text === '' ? null : { kind: 'row', text, headingPath: [], ...place }
  }

  #take(): Partial<Block> {
    const first = this.#first!
    const last = this.#last!
    this.#fields = []
    this.#chars = 0
    this.#first = null
    this.#last = null
    const bytes =
      first.byteStart !== undefined && last.byteEnd !== undefined
        ? { byteStart: first.byteStart, byteEnd: last.byteEnd }
        : {}
    return { lineStart: first.number, lineEnd: last.number, ...bytes }
  }

  #readFields(text: string): void {
    let at = 0
    // A quotation opens only where a field begins.
    if (!this.#inQuotes && this.#field === '' && !this.#isContinued && text.startsWith('"')) {
      this.#inQuotes = true
      at = 1
    }
    for (;;) {
      if (this.#inQuotes) {
        const quote = text.indexOf('"', at)
        this.#field += text.slice(at, quote < 0 ? undefined : quote)
        if (quote < 0) return
        if (text[quote + 1] === '"') {
          this.#field += '"'
          at = quote + 2
          continue
        }
        this.#inQuotes = false
        at = quote + 1
      }
      const end = text.indexOf(this.#delimiter, at)
      this.#field += text.slice(at, end < 0 ? undefined : end)
      if (end < 0) return
      this.#fields.push(this.#field)
      this.#field = ''
      at = end + 1
      if (text[at] === '"') {
        this.#inQuotes = true
        at++
      }
    }
  }
}

/** The delimiter that gives the first lines the same number of fields, and the most; a comma if none does. */
function detectDelimiter(sample: string): string {
  const lines = sample
    .replace(/"(?:[^"]|"")*"/g, '""')
    .split(/\r?\n/)
    .slice(0, 20)
    .filter((line) => line.trim() !== '')
  let best = ','
  let bestScore = 0
  for (const delimiter of delimiters) {
    const counts = lines.map((line) => line.split(delimiter).length - 1)
    const usual = counts[0] ?? 0
    const score =
      usual === 0 ? 0 : (counts.filter((count) => count === usual).length / counts.length) * (1 + Math.log(usual))
    if (score > bestScore) {
      best = delimiter
      bestScore = score
    }
  }
  return best
}

/** Names are there, short, different, and not numbers. */
function looksLikeHeader(fields: readonly string[]): boolean {
  const names = fields.map((field) => field.trim())
  const present = names.filter((name) => name !== '')
  return (
    present.length > 0 &&
    present.length >= names.length - 1 &&
    new Set(present).size === present.length &&
    present.every(
      (name) =>
        name.length <= 100 && !/^[-+\d.,:/\s%$€£]+$/.test(name) && !/^\w+:\/\//.test(name) && !/[.!?]\s/.test(name),
    )
  )
}
