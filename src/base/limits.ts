/** Every limit of the engine, with its unit in the name. Exceeding one is a `too-large` or `invalid` error. */
export const limits = {
  keyBytesMax: 1024,
  metadataBytesMax: 40 * 1024,
  dimensionMax: 4096,
  /** Text of one record. */
  documentBytesMax: 1024 * 1024,
  collectionNameBytesMax: 512,
  /** One atomic batch, encoded; also the size of one log object. */
  commitBytesMax: 16 * 1024 * 1024,
  batchOperationsMax: 10_000,
  queryResultsMax: 10_000,
  listPageMax: 1000,
  filterDepthMax: 16,
  filterTermsMax: 1000,
} as const
