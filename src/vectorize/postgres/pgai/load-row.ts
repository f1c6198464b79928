import { createHash } from 'node:crypto'
import { concatBytes } from '../../../base/bytes.ts'
import { isWindlassError, messageOf, WindlassError } from '../../../base/errors.ts'
import { parseDocument } from '../../../documents/document.ts'
import type { Sql } from '../database.ts'
import { ident, tableIdent } from '../identifiers.ts'
import { keyExpression, keysMatch, keysTable, keysValues, type Column } from '../source-table.ts'
import type { UriReader } from '../uri-reader.ts'
import { fillTemplate, pythonText, templateNames } from './fill-template.ts'
import type { PgaiConfig, PgaiVectorizer } from './pgai-vectorizer.ts'
import { cleanText, type QueuedRow } from './queue.ts'
import { splitByCharacter, splitRecursively } from './split-characters.ts'

/** A row of the source as it is now. */
export interface SourceRow {
  readonly path: string
  /** Null where the column is. */
  readonly content: string | Uint8Array | null
  /** Columns that the template asks for, as Python writes them. */
  readonly values: Readonly<Record<string, string>>
}

/** What became of a row's document: its texts, each to be embedded and stored; or nothing new. */
export type Loaded = { readonly kind: 'unchanged' } | { readonly kind: 'texts'; readonly texts: readonly string[]; readonly revision: string }

/** A failure of one row. */
export class RowFailure extends Error {
  readonly step: 'loading' | 'parsing' | 'chunking' | 'formatting' | 'embedding' | 'storing'
  readonly isRetryable: boolean

  constructor(step: RowFailure['step'], cause: unknown) {
    super(messageOf(cause), { cause })
    this.step = step
    this.isRetryable = step === 'loading' && !isWindlassError(cause, 'invalid', 'unsupported', 'too-large')
  }
}

// Raised when the same settings give other texts than before.
const recipeVersion = 1

/** Reads rows as they are now; those that are gone are not in the answer. @param columns All columns of the source. */
export async function readRows(sql: Sql, { config, source, key }: PgaiVectorizer, rows: readonly QueuedRow[], columns: readonly Column[]): Promise<SourceRow[]> {
  const wanted = columns.filter(({ name }) => templateNames(config.formatting.template).includes(name))
  const content = columns.find(({ name }) => name === config.loading.column_name)
  const read = content?.type === 'bytea' ? '' : '::text'
  const found = await sql.query<Record<string, unknown>>(
    `select ${keyExpression({ key }, 's')} as path, s.${ident(config.loading.column_name)}${read} as content${wanted.map(({ name }, i) => `, s.${ident(name)}::text as v${i}`).join('')}
     from ${tableIdent(source)} s join ${keysTable({ key })} on ${keysMatch({ key }, 's')}`,
    keysValues(rows.map((row) => row.key), { key }),
  )
  return found.map((row) => ({
    path: String(row.path),
    content: row.content as SourceRow['content'],
    values: Object.fromEntries(wanted.map(({ name, type }, i) => [name, pythonText(row[`v${i}`] as string | null, type)])),
  }))
}

/**
 * Loads, parses, cuts and formats the document of a row.
 * @param knownRevision Of what is stored: answered with `unchanged` where nothing is different.
 * @throws {RowFailure} about this row only.
 */
export async function loadRow(row: SourceRow, config: PgaiConfig, { uris, knownRevision, signal }: { uris: UriReader; knownRevision: string | undefined; signal?: AbortSignal }): Promise<Loaded> {
  const recipe = hashOf(JSON.stringify([recipeVersion, config.parsing, config.chunking, config.formatting, config.embedding, row.values]))
  const known = knownRevision?.startsWith(`${recipe}:`) ? knownRevision.slice(recipe.length + 1) : undefined
  const loaded = await inStep('loading', () => load(row, config, { uris, knownRevision: known, ...(signal && { signal }) }))
  if (loaded === 'unchanged') return { kind: 'unchanged' }
  const text = await inStep('parsing', () => parse(loaded, config))
  const chunks = await inStep('chunking', () => cut(cleanText(text), config.chunking))
  const texts = await inStep('formatting', () => chunks.map((chunk) => fillTemplate(config.formatting.template, { ...row.values, chunk })))
  return { kind: 'texts', texts, revision: `${recipe}:${loaded.revision}` }
}

interface Document {
  readonly content: string | Uint8Array
  /** Of a URI, and nothing for a column: its extension tells the format. */
  readonly name: string
  readonly contentType?: string
  readonly revision: string
}

async function load({ path, content }: SourceRow, { loading }: PgaiConfig, { uris, knownRevision, signal }: { uris: UriReader; knownRevision: string | undefined; signal?: AbortSignal }): Promise<Document | 'unchanged'> {
  if (loading.implementation === 'column' || content === null) {
    const revision = `sha256:${hashOf(content ?? '')}`
    return revision === knownRevision ? 'unchanged' : { content: content ?? '', name: path, revision }
  }
  const uri = typeof content === 'string' ? content : Buffer.from(content).toString('utf8')
  // An etag says nothing about another URI.
  const prefix = `${hashOf(uri)}:`
  const answer = await uris.read(uri, {
    ...(knownRevision?.startsWith(prefix) && { knownRevision: knownRevision.slice(prefix.length) }),
    ...(loading.aws_role_arn && { roleArn: loading.aws_role_arn }),
    ...(signal && { signal }),
  })
  if (answer.kind === 'unchanged') return 'unchanged'
  const parts: Uint8Array[] = []
  for await (const part of answer.bytes()) parts.push(part)
  const bytes = concatBytes(parts)
  const revision = prefix + (answer.revision ?? `sha256:${hashOf(bytes)}`)
  if (revision === knownRevision) return 'unchanged'
  return { content: bytes, name: uri, revision, ...(answer.contentType !== undefined && { contentType: answer.contentType }) }
}

/** Formats that are more than text. Others are taken as they are, as pgai does. */
const parsedFormats: ReadonlySet<string> = new Set(['pdf', 'docx', 'html'])

async function parse({ content, name, contentType }: Document, { parsing }: PgaiConfig): Promise<string> {
  if (typeof content === 'string') return content
  if (parsing.implementation === 'none') return new TextDecoder('utf-8', { fatal: true }).decode(content)
  const open = async function* () {
    yield await Promise.resolve(content)
  }
  const parsed = await parseDocument({ name, size: content.length, open, ...(contentType !== undefined && { contentType }) })
  if (!parsedFormats.has(parsed.format)) return new TextDecoder(parsed.encoding ?? 'utf-8').decode(content)
  const blocks: string[] = []
  for await (const { kind, level = 1, text } of parsed.blocks) blocks.push(kind === 'heading' ? `${'#'.repeat(level)} ${text}` : text)
  if (blocks.length === 0) throw new WindlassError('invalid', `${name} holds no text, only pictures perhaps: recognize their text first`, { path: name })
  return blocks.join('\n\n')
}

function cut(text: string, chunking: PgaiConfig['chunking']): string[] {
  if (chunking.implementation === 'none') return text.trim() === '' ? [] : [text]
  const { chunk_size: chunkSize, chunk_overlap: chunkOverlap, is_separator_regex: isSeparatorRegex } = chunking
  return chunking.implementation === 'character_text_splitter'
    ? splitByCharacter(text, { chunkSize, chunkOverlap, isSeparatorRegex, separator: chunking.separator })
    : splitRecursively(text, { chunkSize, chunkOverlap, isSeparatorRegex, separators: chunking.separators })
}

async function inStep<Value>(step: RowFailure['step'], task: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await task()
  } catch (error) {
    if (isWindlassError(error, 'cancelled')) throw error
    throw new RowFailure(step, error)
  }
}

function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 32)
}
