import { WindlassError } from './errors.ts'

/** Every heavy package we load on demand. Ranges equal `peerDependencies`; a test checks it. */
export const optionalPackages = {
  '@aws-sdk/client-s3vectors': { range: '^3.1137.0', gives: 'copying to and from S3 Vectors' },
  '@huggingface/transformers': { range: '^4.0.0', gives: 'running an embedding model here' },
  '@lancedb/lancedb': { range: '>=0.22.0 <1.0.0', gives: 'reading LanceDB' },
  hyparquet: { range: '^1.31.5', gives: 'reading Parquet' },
  'hyparquet-writer': { range: '^0.17.0', gives: 'writing Parquet' },
  'node-sqlite3-wasm': { range: '^0.8.60', gives: 'reading a folder of Chroma' },
  'pdfjs-dist': { range: '^5.4.0', gives: 'reading PDF' },
  pg: { range: '^8.16.0', gives: 'speaking to Postgres' },
  'sherpa-onnx-node': { range: '^1.13.0', gives: 'running speech models here' },
} as const

/** The name of a package that is loaded on demand. */
export type OptionalPackage = keyof typeof optionalPackages

/**
 * Loads an optional package.
 * @throws {WindlassError} `missing-dependency`, naming the command that installs it.
 */
export async function loadOptional<Module>(name: OptionalPackage, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    const { gives, range } = optionalPackages[name]
    throw new WindlassError('missing-dependency', `${gives} needs ${name}: npm install "${name}@${range}"`, {
      package: name,
      cause,
    })
  }
}
