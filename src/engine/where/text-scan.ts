import { Bitset } from '../../base/bitset.ts'
import { WindlassError } from '../../base/errors.ts'
import type { EngineContext } from '../core.ts'
import type { Segment } from '../segment.ts'
import { Signatures } from './signatures.ts'
import type { DocumentTest } from './where.ts'

/** Below this many rows it is cheaper to read their texts than to make signatures of all. */
const scanRowsMax = 1000
const rowsReadAtOnce = 1000
/** Text that one condition may be tested on in one segment, in UTF-16 units: some seconds of a linear-time matcher. */
const scanUnitsMax = 256 * 1024 * 1024

/** The rows of `within` whose text passes the test. @throws {WindlassError} `too-large` beyond what a scan may read. */
export async function textMatches(segment: Segment, test: DocumentTest, within: Bitset, context: EngineContext): Promise<Bitset> {
  const found = new Bitset(within.length)
  let units = 0
  await forEachText(segment, await candidatesOf(segment, test, within, context), context, (row, text) => {
    units += text.length
    if (units > scanUnitsMax) throw new WindlassError('too-large', `the condition on documents has to be tested on more than ${scanUnitsMax} characters: narrow it by metadata, or ask for a longer literal`, { path: 'where_document' })
    if (test.matches(text)) found.set(row)
  })
  return found
}

async function candidatesOf(segment: Segment, test: DocumentTest, within: Bitset, context: EngineContext): Promise<Bitset> {
  const literals = test.literals.filter(({ length }) => length >= 3)
  if (literals.length === 0 || within.count() <= scanRowsMax) return within
  const { id, owner } = segment.ref
  // Kept as other decoded parts of segments are: immutable, under the budget, made again when it is needed.
  const signatures = await context.cache.get(`signatures:${owner ?? ''}/${id}`, async () => {
    const value = await signaturesOf(segment, context)
    return { value, size: value.sizeBytes }
  })
  return literals.reduce((rows, literal) => signatures.narrow(rows, literal), within)
}

/** Reads every text of the segment once. */
async function signaturesOf(segment: Segment, context: EngineContext): Promise<Signatures> {
  const signatures = new Signatures(segment.rowCount)
  await forEachText(segment, await segment.rowsOfSpace('records'), context, (row, text) => signatures.add(row, text))
  return signatures
}

/** Visits the texts of rows in their order, and lets others work in between. */
async function forEachText(segment: Segment, rows: Bitset, { clock }: EngineContext, visit: (row: number, text: string) => void): Promise<void> {
  const all: number[] = []
  rows.forEach((row) => all.push(row))
  for (let start = 0; start < all.length; start += rowsReadAtOnce) {
    const part = all.slice(start, start + rowsReadAtOnce)
    const texts = await segment.documentsOf(part)
    texts.forEach((text, i) => text !== null && visit(part[i]!, text))
    if (start + rowsReadAtOnce < all.length) await clock.sleep(0)
  }
}
