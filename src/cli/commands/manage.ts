import { errorPolicies, WindlassError } from '../../base/errors.ts'
import type { DocumentCollection } from '../../library/types.ts'
import { configure, print, type Flags, type Session } from '../run.ts'
import { countText, printable, sizeText } from '../text.ts'

/** `windlass ls`: collections, or the documents of one. */
export async function list({ bucket }: Session, name: string | undefined, flags: Flags): Promise<void> {
  for (let after: string | undefined; ; ) {
    const page = { limit: 1000, ...(after !== undefined && { after }) }
    if (name === undefined) {
      const { collections, next } = await bucket.listCollections(page)
      for (const each of collections) {
        const { recordCount, documentCount, sizeBytes } = await (await bucket.collection(each.name)).stats()
        if (flags.json) print(JSON.stringify({ ...each, recordCount, documentCount, sizeBytes }))
        else print(`${printable(each.name).padEnd(24)} ${countText(documentCount, 'document')}, ${countText(recordCount, 'record')}, ${sizeText(sizeBytes)}`)
      }
      after = next
    } else {
      const { documents, next } = await (await bucket.documents(name)).listDocuments(page)
      for (const document of documents) {
        const { source, chunkCount, sizeBytes, state, error } = document
        if (flags.json) print(JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)))
        else print(`${printable(source)}  ${countText(chunkCount, 'chunk')}, ${sizeText(sizeBytes)}${state === 'failed' ? `, failed: ${printable(error ?? '')}` : ''}`)
      }
      after = next
    }
    if (after === undefined) return
  }
}

/** `windlass rm`: a document, or a whole collection. */
export async function remove({ bucket, configuration }: Session, name: string, source: string | undefined): Promise<void> {
  if (source === undefined && configuration.text('engine') !== undefined) return removeAll(await bucket.documents(name))
  if (source === undefined) {
    await bucket.dropCollection(name)
    print(`dropped collection ${name}`)
    return
  }
  if (!(await (await bucket.documents(name)).deleteDocument(source))) throw new WindlassError('not-found', `${name} has no document ${JSON.stringify(source)}: see windlass ls ${name}`)
  print(`removed ${source} from ${name}`)
}

/** An engine has no collections of ours to drop, only documents under a name. */
async function removeAll(documents: DocumentCollection): Promise<void> {
  let count = 0
  for (let after: string | undefined; ; ) {
    const page = await documents.listDocuments({ limit: 1000, ...(after !== undefined && { after }) })
    for (const { source } of page.documents) if (await documents.deleteDocument(source)) count++
    if (page.next === undefined) break
    after = page.next
  }
  print(`removed ${countText(count, 'document')} of ${documents.name}`)
}

/** `windlass stats`: sizes and counts of a collection. */
export async function stats({ bucket }: Session, name: string, flags: Flags): Promise<void> {
  const all = await (await bucket.collection(name)).stats()
  if (flags.json) return print(JSON.stringify(all, null, 2))
  const { id, schema, recordCount, documentCount, segmentCount, sizeBytes, logSequence, unflushedCommits, unflushedBytes } = all
  const rows = {
    id,
    dimension: schema.dimension ?? 'not set yet',
    metric: schema.metric,
    'embedding model': schema.embeddingModel ?? 'none',
    documents: documentCount.toLocaleString('en'),
    records: recordCount.toLocaleString('en'),
    size: sizeText(sizeBytes),
    segments: segmentCount,
    'log position': logSequence,
    unflushed: `${countText(unflushedCommits, 'commit')}, ${sizeText(unflushedBytes)}`,
  }
  for (const [label, value] of Object.entries(rows)) print(`${label.padEnd(16)} ${value}`)
}

/** `windlass verify`: every object read, every checksum checked. */
export async function verify({ bucket }: Session, name: string): Promise<void> {
  const { objectCount, sizeBytes, problems, notes } = await bucket.verify(name)
  for (const { object, message } of problems) print(`${object}: ${message}`)
  for (const { object, message } of notes) print(`note: ${object}: ${message}`)
  print(`${countText(objectCount, 'object')}, ${sizeText(sizeBytes)}, ${countText(problems.length, 'problem')}`)
  if (problems.length > 0) process.exitCode = errorPolicies.corrupt.exitCode
}

/** `windlass repair`: what can be recovered is; what cannot is named. */
export async function repair({ bucket }: Session, name: string): Promise<void> {
  const { repaired, problems } = await bucket.repair(name)
  for (const { object, message } of repaired) print(`repaired ${object}: ${message}`)
  for (const { object, message } of problems) print(`lost ${object}: ${message}`)
  print(`${countText(repaired.length, 'object')} repaired, ${countText(problems.length, 'problem')} left`)
  if (problems.length > 0) process.exitCode = errorPolicies.corrupt.exitCode
}

/** `windlass config`: every setting, its value and where it came from. */
export async function showConfiguration(flags: Flags): Promise<void> {
  const configuration = configure(flags)
  for (const { name, value, origin } of configuration.list()) if (value !== undefined) print(`${name.padEnd(20)} ${value}  (${origin})`)
  const { url, origin } = configuration.bucket()
  print(`${'=> bucket'.padEnd(20)} ${url}  (${origin})`)
}
