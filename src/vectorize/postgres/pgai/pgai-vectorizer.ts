import { z } from 'zod'
import { WindlassError } from '../../../base/errors.ts'
import type { Sql } from '../database.ts'
import type { TableName } from '../identifiers.ts'
import type { Column } from '../source-table.ts'

const name = z.string().min(1)
const splitSize = { chunk_size: z.number().int().min(1).default(800), chunk_overlap: z.number().int().min(0).default(400), is_separator_regex: z.boolean().default(false) }

const loadingSchema = z.object({ implementation: z.enum(['column', 'uri']), column_name: name, retries: z.number().int().min(0).default(6), aws_role_arn: z.string().nullish() })
const parsingSchema = z.object({ implementation: z.enum(['auto', 'none', 'docling', 'pymupdf']) })
const chunkingSchema = z.discriminatedUnion('implementation', [
  z.object({ implementation: z.literal('character_text_splitter'), separator: z.string().default('\n\n'), ...splitSize }),
  z.object({ implementation: z.literal('recursive_character_text_splitter'), separators: z.array(z.string()).default(['\n\n', '\n', '.', '?', '!', ' ', '']), ...splitSize }),
  z.object({ implementation: z.literal('none') }),
])
const embeddingSchema = z.object({
  implementation: z.string(),
  model: z.string().default(''),
  dimensions: z.number().int().min(1),
  api_key_name: z.string().nullish(),
  base_url: z.string().nullish(),
  extra_options: z.record(z.string(), z.unknown()).nullish(),
})
const destinationSchema = z.discriminatedUnion('implementation', [
  z.object({ implementation: z.literal('table'), target_schema: name, target_table: name }),
  z.object({ implementation: z.literal('column'), embedding_column: name }),
])
const indexingSchema = z.looseObject({ implementation: z.string(), min_rows: z.number().default(100_000), create_when_queue_empty: z.boolean().default(true) })

const configSchema = z.object({
  loading: loadingSchema,
  parsing: parsingSchema.default({ implementation: 'auto' }),
  chunking: chunkingSchema,
  formatting: z.object({ implementation: z.literal('python_template'), template: z.string() }).default({ implementation: 'python_template', template: '$chunk' }),
  embedding: embeddingSchema,
  destination: destinationSchema,
  indexing: indexingSchema.default({ implementation: 'none', min_rows: 100_000, create_when_queue_empty: true }),
  processing: z.object({ batch_size: z.number().int().nullish(), concurrency: z.number().int().nullish() }).default({}),
})

export type PgaiConfig = z.output<typeof configSchema>

/** A row of `ai.vectorizer`, whoever made it. */
export interface PgaiVectorizer {
  readonly id: number
  readonly name: string
  readonly source: TableName
  /** The source's primary key, in its order. */
  readonly key: readonly Column[]
  readonly queue: TableName
  /** Absent in databases of the first versions. */
  readonly failedQueue: TableName | null
  readonly config: PgaiConfig
}

/** All vectorizers that are not disabled, or those of `ids`; one that cannot be read is given as the error that says why. */
export async function readVectorizers(sql: Sql, ids: readonly number[] = []): Promise<(PgaiVectorizer | { id: number; error: WindlassError })[]> {
  const rows = await sql.query<{ row: Record<string, unknown> }>('select to_jsonb(v) as row from ai.vectorizer v order by v.id')
  return rows.flatMap(({ row }) => {
    const id = Number(row.id)
    if (row.disabled === true || (ids.length > 0 && !ids.includes(id))) return []
    try {
      return parseVectorizer(row)
    } catch (error) {
      if (error instanceof WindlassError) return { id, error }
      throw error
    }
  })
}

/**
 * A vectorizer from its row. Shapes of older versions are read too: the column to load was a setting of chunking once, and the target
 * a column of `ai.vectorizer`.
 * @throws {WindlassError} `unsupported`, naming the setting.
 */
export function parseVectorizer(row: Readonly<Record<string, unknown>>): PgaiVectorizer {
  const id = Number(row.id)
  const { chunking, loading, destination, ...rest } = row.config as Record<string, Record<string, unknown> | undefined>
  const parsed = configSchema.safeParse({
    ...withoutNull(rest),
    chunking,
    loading: loading ?? { implementation: 'column', column_name: chunking?.chunk_column },
    destination: destination ?? { implementation: 'table', target_schema: row.target_schema, target_table: row.target_table },
  })
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new WindlassError('unsupported', `vectorizer ${id}: ${issue.path.join('.')}: ${issue.message}`, { path: issue.path.join('.') })
  }
  const key = row.source_pk as { pknum: number; attname: string; typname: string }[]
  const schema = String(row.queue_schema)
  return {
    id,
    name: typeof row.name === 'string' ? row.name : String(id),
    source: { schema: String(row.source_schema), name: String(row.source_table) },
    key: [...key].sort((a, b) => a.pknum - b.pknum).map(({ attname, typname }) => ({ name: attname, type: typname })),
    queue: { schema, name: String(row.queue_table) },
    failedQueue: typeof row.queue_failed_table === 'string' ? { schema, name: row.queue_failed_table } : null,
    config: parsed.data,
  }
}

function withoutNull(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== undefined))
}
