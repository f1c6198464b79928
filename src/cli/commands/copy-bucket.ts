import { systemClock } from '../../base/clock.ts'
import { errorPolicies } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Configuration } from '../../config/configuration.ts'
import { storeSettings } from '../../config/load.ts'
import { copyBucket, expectApart } from '../../migrate/copy-bucket.ts'
import { openStore } from '../../store/open-store.ts'
import { fromSettings } from '../old-bucket.ts'
import { startProgress } from '../progress.ts'
import { openBucket, print, type Flags } from '../run.ts'
import { countText, sizeText } from '../text.ts'

/** `windlass copy <bucket> <bucket>`: everything, byte for byte; then every collection of the copy is verified. */
export async function copyWholeBucket(fromText: string, toText: string, { flags, configuration, parallel }: { flags: Flags; configuration: Configuration; parallel: number }): Promise<void> {
  const url = (text: string) => (/^[a-z][a-z0-9+.-]+:/i.test(text) ? text : `file:${text}`)
  const from = await openStore(url(fromText), fromSettings(flags, configuration))
  const to = await openStore(url(toText), storeSettings(configuration))
  try {
    if (fromSettings(flags, configuration).endpoint === storeSettings(configuration).endpoint) expectApart(from.url, to.url)
    const started = systemClock.monotonic()
    const progress = startProgress({ isTerminal: process.stderr.isTTY === true, noun: 'objects' })
    const report = await copyBucket(from, to, { clock: systemClock, random: systemRandom, parallel: parallel * 4, dryRun: flags.dryRun === true, onProgress: (objects, bytes) => progress.update(objects, objects, bytes, false) }).finally(() => progress.stop())
    const seconds = (systemClock.monotonic() - started) / 1000
    const verified = flags.dryRun === true || flags.verify === false ? null : await verifyAll(configuration, url(toText))
    if (flags.json === true) print(JSON.stringify({ ...report, verified, seconds }, null, 2))
    else {
      print(`${report.from}: ${countText(report.collections, 'collection')}, ${countText(report.objects, 'object')}, ${sizeText(report.bytes)}`)
      print(flags.dryRun === true ? `${report.to}: nothing was written; ${countText(report.copied, 'object')} would be copied, ${sizeText(report.copiedBytes)}` : `${report.to}: ${countText(report.copied, 'object')} copied, ${sizeText(report.copiedBytes)}; ${report.unchanged.toLocaleString('en')} were there already, in ${seconds.toFixed(1)} s`)
      if (verified) print(`verified: ${countText(verified.collections, 'collection')}, ${countText(verified.records, 'record')}, ${verified.problems.length === 0 ? 'nothing is damaged or missing' : countText(verified.problems.length, 'problem')}`)
      for (const problem of verified?.problems ?? []) print(`  ${problem}`)
    }
    if (verified && verified.problems.length > 0) process.exitCode = errorPolicies.corrupt.exitCode
  } finally {
    await from.close?.()
    await to.close?.()
  }
}

async function verifyAll(configuration: Configuration, url: string): Promise<{ collections: number; records: number; problems: string[] }> {
  const bucket = await openBucket(configuration, url)
  try {
    const result = { collections: 0, records: 0, problems: [] as string[] }
    for (let after: string | undefined; ; ) {
      const { collections, next } = await bucket.listCollections(after === undefined ? {} : { after })
      for (const { name } of collections) {
        const { problems } = await bucket.verify(name)
        const { recordCount } = await (await bucket.collection(name)).stats()
        result.collections++
        result.records += recordCount
        result.problems.push(...problems.map(({ object, message }) => `${name}: ${object}: ${message}`))
      }
      if (next === undefined) return result
      after = next
    }
  } finally {
    await bucket.close()
  }
}
