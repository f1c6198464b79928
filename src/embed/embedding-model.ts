/** What a text is for. Some models embed questions and passages differently; symmetric ones ignore it. */
export type TextKind = 'document' | 'query'

/** Turns texts into vectors. */
export interface EmbeddingModel {
  /** Stored with the collection: vectors of another name are not comparable, and are refused. */
  readonly name: string
  /** Values a vector. */
  readonly dimension: number
  /** The longest input that counts, in tokens; `undefined` where all of it does. */
  readonly tokensMax: number | undefined
  /**
   * One vector a text, in their order: of length 1, or all zeros for a text in which the model knows nothing.
   * @throws {WindlassError} `cancelled` when the signal is aborted.
   */
  embed(texts: readonly string[], options?: { kind?: TextKind; signal?: AbortSignal }): Promise<Float32Array[]>
  /** Tokens of `text` as this model counts them, before any cut at `tokensMax`. */
  countTokens(text: string): number
}
