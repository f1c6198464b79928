// `windlass migrate`, killed by itself at one of its requests: node --import tsx killed-migration.ts <n> <before|after> migrate …
import { DirectoryStore } from '../../src/store/directory-store.ts'
import { S3Store } from '../../src/store/s3-store.ts'

const [at, moment, ...args] = process.argv.slice(2)
let left = Number(at)

for (const store of [DirectoryStore, S3Store]) {
  for (const name of ['put', 'delete'] as const) {
    const inner = store.prototype[name] as (...given: unknown[]) => Promise<unknown>
    Object.defineProperty(store.prototype, name, {
      async value(this: unknown, ...given: unknown[]): Promise<unknown> {
        const isLast = left-- === 0
        if (isLast && moment === 'before') process.kill(process.pid, 'SIGKILL')
        try {
          return await inner.apply(this, given)
        } finally {
          if (isLast) process.kill(process.pid, 'SIGKILL')
        }
      },
    })
  }
}

process.argv = [process.argv[0]!, 'windlass', ...args]
await import('../../src/cli/main.ts')
