import { serve as startServer } from '../../server/serve.ts'
import { configure, type Flags } from '../run.ts'

/** `windlass serve`: answers until it is told to stop; the second signal does not wait. */
export async function serve(flags: Flags, version: string): Promise<void> {
  const configuration = configure(flags)
  const server = await startServer(configuration, { version })
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
