const textIndex = (isFullText: boolean) => ({
  fts_index: { enabled: isFullText, config: {} },
  string_inverted_index: { enabled: !isFullText, config: {} },
})

/**
 * The schema of a collection that was given none: every metadata value can be filtered by, the text has a full-text index, and the
 * embedding the vector index. Shape and names are those of Chroma's server 1.5.
 */
export function defaultSchema(vectorIndex: object): unknown {
  return {
    defaults: {
      string: textIndex(false),
      float_list: { vector_index: { enabled: false, config: vectorIndex } },
      sparse_vector: { sparse_vector_index: { enabled: false, config: { embedding_function: { type: 'unknown' }, bm25: false } } },
      int: { int_inverted_index: { enabled: true, config: {} } },
      float: { float_inverted_index: { enabled: true, config: {} } },
      bool: { bool_inverted_index: { enabled: true, config: {} } },
    },
    keys: {
      '#document': { string: textIndex(true) },
      '#embedding': { float_list: { vector_index: { enabled: true, config: { ...vectorIndex, source_key: '#document' } } } },
    },
  }
}
