import { WindlassError } from '../../base/errors.ts'
import { copyCollections } from '../../api/chroma/copy/copy-collections.ts'
import { ServerSource } from '../../api/chroma/copy/server-source.ts'
import type { ChromaSource } from '../../api/chroma/copy/source.ts'
import { print, type Flags, type Session } from '../run.ts'
import { countText } from '../text.ts'

/** `windlass import <kind> <from>`. */
export async function importFrom(session: Session, kind: string, from: string, flags: Flags): Promise<void> {
  if (kind !== 'chroma') throw new WindlassError('invalid', `${JSON.stringify(kind)} is nothing to import from: use chroma`, { path: 'kind' })
  await importChroma(session, from, flags)
}

/** `windlass import chroma`: brings the collections of an existing Chroma into the bucket. */
async function importChroma({ bucket }: Session, from: string, flags: Flags): Promise<void> {
  const source = await openSource(from, flags)
  try {
    const only = typeof flags.collection === 'string' ? flags.collection : undefined
    const copied = await copyCollections(source, bucket, only === undefined ? {} : { only })
    if (only !== undefined && copied.length === 0) throw new WindlassError('not-found', `${from} has no collection ${JSON.stringify(only)}`, { path: 'collection' })
    if (flags.json === true) return print(JSON.stringify({ collections: copied }))
    for (const { name, recordCount } of copied) print(`${name}: ${countText(recordCount, 'record')}`)
    print(`${countText(copied.length, 'collection')} imported`)
  } finally {
    await source.close()
  }
}

async function openSource(from: string, flags: Flags): Promise<ChromaSource> {
  const text = (name: string) => (typeof flags[name] === 'string' ? flags[name] : undefined)
  if (!/^https?:\/\//.test(from)) {
    const { PersistedSource } = await import('../../api/chroma/copy/persisted-source.ts')
    return PersistedSource.open(from)
  }
  const [token, database] = [text('token'), text('database')]
  return new ServerSource({ url: from, tenant: text('tenant') ?? 'default_tenant', ...(token !== undefined && { token }), ...(database !== undefined && { database }) })
}
