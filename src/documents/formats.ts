import type { ParsedDocument, ParseOptions } from './document.ts'
import type { Source } from './read/source.ts'

export type DocumentFormat = 'text' | 'markdown' | 'html' | 'pdf' | 'docx' | 'csv' | 'json' | 'jsonl' | 'code'

/** Reads one format. May read ahead for the title; the rest is read while `blocks` is iterated. */
export type Parser = (source: Source, options: ParseOptions) => Promise<Omit<ParsedDocument, 'format'>>

/** One format: how it is recognized, what reads it, and whether that needs the whole file at once. */
export interface FormatRow {
  readonly format: DocumentFormat
  /** Lower case, without the dot. */
  readonly extensions: readonly string[]
  readonly contentTypes: readonly string[]
  /** How a binary format begins. */
  readonly magic?: string
  /** `whole` formats are limited by `ParseOptions.wholeFileBytesMax`; `stream` formats have no limit. */
  readonly reads: 'stream' | 'whole'
  load(): Promise<Parser>
}

/** Every format we read. A new parser is one file in `parse/` and one row here. */
export const formats: readonly FormatRow[] = [
  {
    format: 'text',
    extensions: ['txt', 'text', 'log', 'rst', 'adoc', 'asciidoc', 'org', 'tex', 'srt', 'vtt'],
    contentTypes: ['text/plain'],
    reads: 'stream',
    load: async () => (await import('./parse/text.ts')).parseText,
  },
  {
    format: 'markdown',
    extensions: ['md', 'markdown', 'mdown', 'mkd', 'mdx', 'qmd', 'rmd'],
    contentTypes: ['text/markdown', 'text/x-markdown'],
    reads: 'stream',
    load: async () => (await import('./parse/markdown.ts')).parseMarkdown,
  },
  {
    format: 'html',
    extensions: ['html', 'htm', 'xhtml'],
    contentTypes: ['text/html', 'application/xhtml+xml'],
    reads: 'whole',
    load: async () => (await import('./parse/html.ts')).parseHtml,
  },
  {
    format: 'pdf',
    extensions: ['pdf'],
    contentTypes: ['application/pdf', 'application/x-pdf'],
    magic: '%PDF-',
    reads: 'whole',
    load: async () => (await import('./parse/pdf.ts')).parsePdf,
  },
  {
    format: 'docx',
    extensions: ['docx', 'docm', 'dotx'],
    contentTypes: ['application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    magic: 'PK\x03\x04',
    reads: 'whole',
    load: async () => (await import('./parse/docx.ts')).parseDocx,
  },
  {
    format: 'csv',
    extensions: ['csv', 'tsv', 'tab', 'psv'],
    contentTypes: ['text/csv', 'text/tab-separated-values', 'application/csv'],
    reads: 'stream',
    load: async () => (await import('./parse/csv.ts')).parseCsv,
  },
  {
    format: 'json',
    extensions: ['json', 'geojson', 'ipynb', 'webmanifest'],
    contentTypes: ['application/json', 'text/json'],
    reads: 'whole',
    load: async () => (await import('./parse/json.ts')).parseJson,
  },
  {
    format: 'jsonl',
    extensions: ['jsonl', 'ndjson'],
    contentTypes: ['application/jsonl', 'application/x-ndjson', 'application/x-jsonlines', 'application/ndjson'],
    reads: 'stream',
    load: async () => (await import('./parse/jsonl.ts')).parseJsonl,
  },
  {
    format: 'code',
    // The languages are in parse/languages.ts; `detectFormat` asks it.
    extensions: [],
    contentTypes: [
      'text/javascript',
      'application/javascript',
      'text/css',
      'text/x-python',
      'application/sql',
      'application/xml',
      'text/xml',
      'application/yaml',
      'application/toml',
      'application/x-sh',
    ],
    reads: 'stream',
    load: async () => (await import('./parse/code.ts')).parseCode,
  },
]
