import { serve as startServer } from '../../server/serve.ts'
import { readDeclarationFile } from '../../vectorize/declaration/read-declaration.ts'
import { configure, type Flags } from '../run.ts'
import { declaredBucket } from '../vectorizers.ts'

/** `windlass serve`: answers until it is told to stop; the second signal does not wait. */
export async function serve(flags: Flags, version: string): Promise<void> {
  const declared = typeof flags.config === 'string' ? await readDeclarationFile(flags.config) : null
  const url = declared ? declaredBucket(flags, declared) : undefined
  const configuration = configure({ ...flags, ...(url !== undefined && { bucket: url }) })
  const server = await startServer(configuration, {
    version,
    ...(declared && { vectorizers: (bucket) => declared.declaration.vectorizers.map((each) => bucket.vectorizer(each, { folder: declared.folder })) }),
  })
  const { url: bucketUrl } = configuration.bucket()
  process.stdout.write(`windlass ${version} serves ${bucketUrl} on ${server.url}\n`)
  await new Promise<void>((resolve, reject) => {
    let signals = 0
    const stop = (signal: NodeJS.Signals) => {
      if (++signals > 1) process.exit(130)
      server.log.info('stopping', { signal })
      server.stop().then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
  server.log.info('stopped')
}
