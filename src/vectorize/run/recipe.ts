import { createHash } from 'node:crypto'
import type { Chunk, DocumentFormat, ParseOptions } from '../../documents/document.ts'
import type { EmbeddingModel } from '../../embed/embedding-model.ts'
import type { Metadata } from '../../format/record.ts'
import type { ChunkingSettings } from '../chunk-batches.ts'
import type { VectorizerDeclaration } from '../declaration/declaration.ts'
import { indexedText } from '../document-rows.ts'

/** Everything between a document's bytes and its vectors. */
export interface Recipe {
  /** Differs whenever anything does that decides what becomes of the bytes. */
  readonly id: string
  readonly parsing: ParseOptions & { readonly bytesMax: number | undefined }
  /** Null: a document is one chunk. */
  readonly chunking: ChunkingSettings | null
  readonly model: EmbeddingModel
  readonly metadata: Metadata
  /** What is embedded and stored of a chunk. */
  format(chunk: Chunk, document: { path: string; title: string | undefined; metadata: Metadata }): string
}

// Raised when the same declaration gives other chunks than before.
const recipeVersion = 1

export function makeRecipe({ name, parsing, chunking, formatting, metadata = {} }: VectorizerDeclaration, model: EmbeddingModel): Recipe {
  const facts = { recipeVersion, parsing, chunking, formatting, metadata, model: model.name, dimension: model.dimension }
  const { format, encoding, maxBytes } = parsing
  return {
    id: createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16),
    parsing: { ...(format !== undefined && { format: format as DocumentFormat }), ...(encoding !== undefined && { encoding }), bytesMax: maxBytes },
    chunking: chunking.method === 'none' ? null : { tokensMax: chunking.tokens, overlapTokens: chunking.overlap },
    model,
    metadata: { ...metadata, vectorizer: name },
    format: formatting ? (chunk, document) => fill(formatting.template, chunk, document) : indexedText,
  }
}

/** `$name` and `${name}` are replaced, `$$` is a dollar sign, as in Python's string.Template; a name that means nothing here is left out. */
function fill(template: string, chunk: Chunk, { path, title, metadata }: { path: string; title: string | undefined; metadata: Metadata }): string {
  const values: Record<string, unknown> = { ...metadata, path, title, heading: chunk.headingPath.join(' > '), chunk: chunk.text }
  return template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
    if (whole === '$$') return '$'
    const value = values[bare ?? braced!]
    return value === undefined || value === null ? '' : String(value)
  })
}
