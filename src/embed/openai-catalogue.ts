/** What is known of a model of OpenAI's without asking. */
export interface KnownModel {
  /** Values of a vector when no other number is asked for. */
  readonly dimension: number
  /** Whether fewer may be asked for (`dimensions`; Kusupati et al. 2022, "Matryoshka Representation Learning"). */
  readonly canShorten: boolean
  /** Of one text. */
  readonly tokensMax: number
  /** US dollars for a million tokens, as published in January 2025. */
  readonly pricePerMillionTokens: number
}

/** OpenAI's embedding models. Those of other servers are probed. */
export const knownModels: ReadonlyMap<string, KnownModel> = new Map([
  ['text-embedding-3-small', { dimension: 1536, canShorten: true, tokensMax: 8192, pricePerMillionTokens: 0.02 }],
  ['text-embedding-3-large', { dimension: 3072, canShorten: true, tokensMax: 8192, pricePerMillionTokens: 0.13 }],
  ['text-embedding-ada-002', { dimension: 1536, canShorten: false, tokensMax: 8192, pricePerMillionTokens: 0.1 }],
])
