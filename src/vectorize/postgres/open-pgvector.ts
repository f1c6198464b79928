import type { DestinationDeclaration } from '../declaration/declaration.ts'
import { variableOf } from '../declaration/variables.ts'
import type { VectorizeContext } from '../run/context.ts'
import { openDatabase } from './database.ts'
import { DocumentsTable } from './documents-table.ts'
import { PgvectorDestination } from './pgvector-destination.ts'

/** The destination that a declaration names. Connects when it is prepared. @throws {WindlassError} `invalid` for a variable that is not set. */
export async function openPgvectorDestination({ urlVariable, table, index, documents }: Extract<DestinationDeclaration, { type: 'pgvector' }>, vectorizer: string, { environment, random }: VectorizeContext): Promise<PgvectorDestination> {
  const database = await openDatabase({ url: variableOf(urlVariable, environment, 'destination.urlVariable') })
  return new PgvectorDestination(database, vectorizer, { table, index, random, ...(documents && { documents: new DocumentsTable(documents) }) })
}
