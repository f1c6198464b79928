import type { DryRunReport, MigratePlan, MigrateReport } from '../../migrate/migrate.ts'
import type { Problem } from '../../migrate/record.ts'
import type { Verification } from '../../migrate/verify-move.ts'
import { print } from '../run.ts'
import { countText, printable, sizeText } from '../text.ts'

const toldMax = 10

/** What the old layout looks like, for a person to say whether it is right. */
export function tellLayout(plan: MigratePlan): void {
  const { sample, from, to, mode, reason, model, dimension, metric, earlier, exists } = plan
  print(`from ${printable(from)}`)
  const layouts = Object.entries(sample.layouts).map(([layout, records]) => `${layout} (${records})`)
  if (layouts.length > 0) print(`  layout     ${layouts.join(', ')}, in the first ${countText(sample.objects, 'object')}`)
  for (const [part, label] of [
    ['id', 'id'],
    ['vector', 'vector'],
    ['text', 'text'],
    ['metadata', 'metadata'],
  ] as const) {
    if (sample.fields[part].length > 0) print(`  ${label.padEnd(10)} ${sample.fields[part].join(', ')}`)
  }
  if (sample.dimensions.length > 0) print(`  dimension  ${sample.dimensions.map((each) => `${each.dimension} (${each.records})`).join(', ')}`)
  if (sample.example) print(`  example    ${printable(JSON.stringify(shortened(sample.example))).slice(0, 300)}`)
  print(`to ${printable(to)}${exists ? '' : ', which is made where it is missing'}: dimension ${dimension}, ${metric}${model === null ? '' : `, ${model}`}`)
  print(`  vectors    ${mode === 'reuse' ? 'taken over' : 'made anew from the files'}: ${printable(reason)}`)
  if (earlier) print(`  ${earlier.state === 'done' ? 'it was brought over before: what is new since comes too' : 'an earlier run was interrupted: this one goes on'}`)
}

/** `--dry-run`. */
export function tellDryRun({ plan, objects, objectBytes, files, fileBytes, scan, estimate }: DryRunReport): void {
  tellLayout(plan)
  print(`  ${countText(objects, 'object')} of vectors, ${sizeText(objectBytes)}; ${countText(files, 'file')}, ${sizeText(fileBytes)}`)
  if (scan) {
    print(`  ${countText(scan.records, 'record')} to bring over, ${sizeText(scan.sizeBytes)}; ${countText(scan.duplicates, 'duplicate')}, ${scan.unreadable.toLocaleString('en')} that cannot be read`)
    tellProblems(scan.problems, scan.unreadable)
    tellKeys('an id comes more than once, and its first record counts', scan.duplicateKeys, scan.duplicates)
  }
  const { prices, dollars, dollarsPerMonth, sourceGets, sourceLists, destinationGets, destinationPuts } = estimate
  const count = (value: number) => value.toLocaleString('en')
  print(`  about ${count(sourceGets)} reads and ${count(sourceLists)} lists of the source, ${count(destinationPuts)} writes and ${count(destinationGets)} reads at the destination`)
  print(`  about $${dollars.toFixed(2)}, then $${dollarsPerMonth.toFixed(2)} a month (AWS, ${prices.region}, ${prices.date}: $${prices.s3.putPerThousand} per 1,000 writes, $${prices.s3.getPerThousand} per 1,000 reads, $${plan.to.startsWith('s3vectors') ? prices.s3vectors.storagePerGbMonth : prices.s3.storagePerGbMonth} per GB and month)`)
  print('nothing was written')
}

/** What came of a migration. */
export function tellMigration({ to, mode, model, counts, problems, duplicateKeys, keptKeys, verification }: MigrateReport, { seconds, configuredModel }: { seconds: number; configuredModel: string }): void {
  const noun = mode === 'embed' ? 'file' : 'record'
  print(`${printable(to)}: ${countText(counts.written, noun)} written, ${counts.unchanged.toLocaleString('en')} were there already, in ${seconds.toFixed(1)} s`)
  if ('duplicates' in counts && counts.duplicates > 0) tellKeys('an id comes more than once, and its first record counts', duplicateKeys, counts.duplicates)
  if (counts.kept > 0) tellKeys('something else is there under the same id, and stays', keptKeys, counts.kept)
  if (counts.unreadable > 0) {
    print(`${countText(counts.unreadable, noun)} could not be taken`)
    tellProblems(problems, counts.unreadable)
  }
  if (verification) tellVerification(verification)
  if (mode === 'reuse' && model !== null && model !== configuredModel) print(`to search by meaning: EMBEDDING_MODEL=${printable(model)}; with ${configuredModel} words decide`)
}

export function tellVerification({ sourceCount, equal, different, missing, missingKeys, queries, overlap }: Verification): void {
  const count = (value: number) => value.toLocaleString('en')
  print(`checked: of ${countText(sourceCount, 'id')} in the source, ${count(equal)} are there and equal, ${count(different)} different, ${count(missing)} missing`)
  tellKeys('missing', missingKeys, missing)
  if (overlap !== null) print(`searches: ${queries} asked at both, ${(overlap * 100).toFixed(1)} % of the ten nearest by exact search over the old vectors are found`)
}

export function tellProblems(problems: readonly Problem[], total: number): void {
  for (const { where, reason } of problems.slice(0, toldMax)) print(`  ${printable(where)}: ${printable(reason)}`)
  if (total > toldMax) print(`  and ${(total - Math.min(toldMax, problems.length)).toLocaleString('en')} more${problems.length > toldMax ? ': --json lists the first 100' : ''}`)
}

export function tellKeys(what: string, keys: readonly string[], total: number): void {
  if (total > 0) print(`  ${countText(total, 'time')}, ${what}: ${keys.slice(0, 5).map((key) => printable(JSON.stringify(key))).join(', ')}${total > 5 ? ' …' : ''}`)
}

function shortened({ key, metadata, text }: { key: string; metadata: unknown; text: string | null }): unknown {
  return { id: key, metadata, ...(text !== null && { text: text.length > 60 ? `${text.slice(0, 60)}…` : text }) }
}
