import { WindlassError } from '../../base/errors.ts'
import type { SourceDeclaration } from '../declaration/declaration.ts'
import type { VectorizeContext } from '../run/context.ts'
import { FolderSource } from './folder-source.ts'
import type { Source } from './source.ts'

// provisional: replaced by the sources' own
export async function openSource(declaration: SourceDeclaration, context: VectorizeContext): Promise<Source> {
  if (declaration.type === 'folder') return new FolderSource(declaration.path, { ...declaration, clock: context.clock })
  throw new WindlassError('unsupported', `${declaration.type}`)
}
