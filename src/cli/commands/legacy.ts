import pc from 'picocolors'
import { listFiles } from '../../migrate/embed-files.ts'
import { searchLegacy } from '../../migrate/legacy-search.ts'
import { openOldLayout } from '../old-bucket.ts'
import { configure, openConfiguredModel, print, type Flags } from '../run.ts'
import { countText, markedText, printable, sizeText } from '../text.ts'
import { countOf } from './search.ts'

const windowLength = 320

/** `windlass search --legacy <url>`: the old layout searched where it lies, by meaning, exactly. */
export async function searchOldLayout(question: string, url: string, flags: Flags): Promise<void> {
  const configuration = configure(flags)
  const { source, metric } = await openOldLayout(url, flags, configuration)
  try {
    const model = await openConfiguredModel(configuration)
    const [vector] = await model.embed([question], { kind: 'query' })
    const { matches, scored, passedOver, unreadable } = await searchLegacy(source, vector!, { k: countOf(flags.k), metric })
    if (flags.json === true) {
      print(JSON.stringify(matches.map(({ record: { key, metadata, document }, distance }) => ({ key, distance, metadata, text: document ?? null })), null, 2))
    } else {
      for (const { record, distance } of matches) {
        const text = record.document ?? JSON.stringify(record.metadata)
        print(`${pc.bold(pc.cyan(printable(record.key)))}  ${pc.dim(distance.toFixed(3))}\n    ${markedText(text, { start: 0, end: Math.min(text.length, windowLength) }, [], (part) => part)}\n`)
      }
    }
    const others = [...(passedOver > 0 ? [`${passedOver.toLocaleString('en')} of another dimension passed over`] : []), ...(unreadable > 0 ? [`${unreadable.toLocaleString('en')} could not be read`] : [])]
    process.stderr.write(`${countText(scored, 'vector')} read and compared${others.length > 0 ? `; ${others.join(', ')}` : ''}\n`)
  } finally {
    await source.close()
  }
}

/** `windlass ls --legacy <url>`: its records, or with `files` its files. */
export async function listOldLayout(what: string | undefined, url: string, flags: Flags): Promise<void> {
  const { old, source, filesPrefix } = await openOldLayout(url, flags, configure(flags))
  const asJson = flags.json === true
  try {
    if (what === 'files') {
      for await (const { key, path, sizeBytes } of listFiles(old, filesPrefix)) print(asJson ? JSON.stringify({ key, source: path, sizeBytes }) : `${printable(path)}  ${sizeText(sizeBytes)}`)
      return
    }
    for await (const item of source.read(null)) {
      if ('problem' in item) print(asJson ? JSON.stringify(item.problem) : `${printable(item.problem.where)}  cannot be read: ${printable(item.problem.reason)}`)
      else {
        const { key, vector, metadata, document } = item.record
        print(asJson ? JSON.stringify({ key, dimension: vector.length, metadata, text: document ?? null, where: item.where }) : `${printable(key)}  ${vector.length} values${document === undefined ? '' : `, ${markedText(document, { start: 0, end: Math.min(60, document.length) }, [], (part) => part)}`}`)
      }
    }
  } finally {
    await source.close()
  }
}
