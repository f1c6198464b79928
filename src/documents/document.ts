import { createHash } from 'node:crypto'
import { WindlassError } from '../base/errors.ts'
import { utf8Length } from '../base/bytes.ts'
import { detectFormat } from './detect.ts'
import { formats, type DocumentFormat } from './formats.ts'
import { openSource } from './read/source.ts'

export { chunkDocument, type ChunkOptions } from './chunk/chunk-document.ts'
export type { DocumentFormat } from './formats.ts'

/** A file to parse. */
export interface ParseInput {
  /** Path or URL; its extension hints at the format. */
  readonly name: string
  readonly contentType?: string
  readonly size?: number
  /** The bytes in order. Called once. */
  open(): AsyncIterable<Uint8Array>
}

/** A run of text with its place in the file. */
export interface Block {
  readonly kind: 'heading' | 'paragraph' | 'list' | 'table' | 'code' | 'row' | 'record'
  /** Lines end in `\n`. Rows, records and table lines name their columns: `column: value`. */
  readonly text: string
  /** Of a heading, from 1 to 6. */
  readonly level?: number
  /** Headings above, outermost first; a heading's own text is last in its own path. */
  readonly headingPath: readonly string[]
  /** From 1. */
  readonly page?: number
  /** From 1, both inclusive. */
  readonly lineStart?: number
  readonly lineEnd?: number
  /** Half-open range in the file, where the format has one. */
  readonly byteStart?: number
  readonly byteEnd?: number
  /** `text` is that range in UTF-8, unchanged but for `\r\n`: a part of it has an exact place too. */
  readonly verbatim?: boolean
}

/** A file's text, in order. */
export interface ParsedDocument {
  readonly format: DocumentFormat
  readonly title?: string
  /** Label of the WHATWG Encoding Standard; absent for formats that are not text files. */
  readonly encoding?: string
  /** Programming language of code (`typescript`), natural language where the file states one (`en-GB`). */
  readonly language?: string
  /** May be iterated once; the file is read meanwhile, so errors of `parseDocument` may come from here too. */
  readonly blocks: AsyncIterable<Block>
}

/** A passage: what is embedded, indexed and shown. */
export interface Chunk {
  /** From 0, without gaps. */
  readonly index: number
  /** The passage as shown. */
  readonly text: string
  /** Heading path, an empty line, the passage: what is embedded and indexed. */
  readonly embeddingText: string
  readonly headingPath: readonly string[]
  /** Where the passage starts, from 1. */
  readonly page?: number
  readonly lineStart?: number
  readonly lineEnd?: number
  readonly byteStart?: number
  readonly byteEnd?: number
  /** Tokens of `embeddingText`. */
  readonly tokenCount: number
}

export interface ParseOptions {
  /** Overrules detection by magic bytes, extension and content type. */
  readonly format?: DocumentFormat
  /** Overrules detection: a label of the WHATWG Encoding Standard, such as `windows-1251`. */
  readonly encoding?: string
  /** Limit of the formats that are read whole (see `formats.ts`). Default 64 MiB; the others have no limit. */
  readonly wholeFileBytesMax?: number
}

/** Limit of the formats that are read whole, unless `ParseOptions` says otherwise. */
export const defaultWholeFileBytesMax = 64 * 1024 * 1024

/**
 * Finds a file's format (magic bytes, then extension and content type, then a look at the text) and reads its text.
 * Text, Markdown, CSV, JSONL and code are streamed in bounded memory at any size.
 * @throws {WindlassError} `invalid` when it is not a format we read, is damaged, encrypted or has no text layer;
 * `too-large` over `wholeFileBytesMax`; `unsupported` for an encoding we cannot decode; `missing-dependency`.
 */
export async function parseDocument(input: ParseInput, options: ParseOptions = {}): Promise<ParsedDocument> {
  const source = await openSource(input, options.wholeFileBytesMax ?? defaultWholeFileBytesMax)
  try {
    const format = options.format ?? detectFormat(source.name, source.contentType, source.head)
    const row = formats.find((row) => row.format === format)
    if (!row)
      throw new WindlassError(
        'invalid',
        `unknown format ${JSON.stringify(format)}, expected one of ${formats.map((row) => row.format).join(', ')}`,
        { path: 'format' },
      )
    const parse = await row.load()
    return { format, ...(await parse(source, options)) }
  } catch (error) {
    await source.close()
    throw error
  }
}

// Suffix `#<index>-<16 hex>` is at most 34 bytes, and callers may append up to 32 more.
const plainKeyBytesMax = 880

/**
 * The record key of a chunk: `<document key>#<index>-<first 16 characters of the text's SHA-256>`.
 * A document key over 880 UTF-8 bytes is replaced by its first 877 to 880 bytes, `~` and its SHA-256 in hexadecimal, so the
 * result has at most 979 bytes and two document keys never share one.
 */
export function chunkKey(documentKey: string, index: number, textSha256: string): string {
  return `${boundKey(documentKey)}#${index}-${textSha256.slice(0, 16)}`
}

function boundKey(key: string): string {
  if (utf8Length(key) <= plainKeyBytesMax) return key
  let end = 0
  for (let bytes = 0; ;) {
    const char = String.fromCodePoint(key.codePointAt(end)!)
    bytes += utf8Length(char)
    if (bytes > plainKeyBytesMax) break
    end += char.length
  }
  return `${key.slice(0, end)}~${createHash('sha256').update(key).digest('hex')}`
}
