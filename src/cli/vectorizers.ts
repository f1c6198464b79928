import { resolve } from 'node:path'
import { WindlassError } from '../base/errors.ts'
import type { Bucket } from '../library/types.ts'
import { expandVariables } from '../vectorize/declaration/variables.ts'
import type { DeclarationFile } from '../vectorize/declaration/read-declaration.ts'
import type { Vectorizer } from '../vectorize/vectorizer.ts'
import { configure, openBucket, reporting, type Flags } from './run.ts'

/** What a command about vectorizers is given. */
export interface VectorizerSession {
  readonly bucket: Bucket
  /** Those named, or all that are declared, in their order. */
  readonly vectorizers: readonly Vectorizer[]
}

/** Reads the declaration, opens the bucket that it names, or the configured one, and closes it again; an error becomes one line and an exit status. */
export async function withVectorizers(names: readonly string[], flags: Flags, task: (session: VectorizerSession) => Promise<void>): Promise<void> {
  await reporting(flags, async () => {
    const configuration = configure(flags)
    const { readDeclarationFile } = await import('../vectorize/declaration/read-declaration.ts')
    const { declaration, folder, path } = await readDeclarationFile(typeof flags.config === 'string' ? flags.config : undefined)
    const declared = new Map(declaration.vectorizers.map((each) => [each.name, each]))
    for (const name of names) {
      if (!declared.has(name)) throw new WindlassError('not-found', `${path} declares no vectorizer ${JSON.stringify(name)}: it has ${[...declared.keys()].join(', ')}`, { path: 'name' })
    }
    const url = declaredBucket(flags, { declaration, folder, path }) ?? configuration.bucket().url
    const bucket = await openBucket(configuration, url)
    try {
      const chosen = names.length === 0 ? [...declared.keys()] : [...new Set(names)]
      await task({ bucket, vectorizers: chosen.map((name) => bucket.vectorizer(declared.get(name)!, { folder })) })
    } finally {
      await bucket.close()
    }
  })
}

/** The bucket that a declaration names, unless the command line names another. */
export function declaredBucket(flags: Flags, { declaration, folder, path }: DeclarationFile): string | undefined {
  if (typeof flags.bucket === 'string' || declaration.bucket === undefined) return undefined
  return fromFolder(expandVariables(declaration.bucket, process.env, `${path}: bucket`), folder)
}

/** A directory bucket of a declaration lies where the declaration says, wherever the command is run. */
function fromFolder(url: string, folder: string): string {
  const match = /^file:(?!\/)(.*)$/.exec(url)
  return match ? `file:${resolve(folder, match[1]!)}` : url
}
