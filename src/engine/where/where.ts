import type { Filter, FilterRules } from '../query/filter.ts'

/** What a text must be to match; `literals` may narrow where to look. */
export interface DocumentTest {
  matches(text: string): boolean
  /** Strings that every matching text contains, character for character; none known: every text is a candidate. */
  readonly literals: readonly string[]
}

/** A condition on metadata and text. Rows without a text match no document test. */
export type Where =
  | { readonly op: 'and' | 'or'; readonly parts: readonly Where[] }
  | { readonly op: 'not'; readonly part: Where }
  | { readonly op: 'metadata'; readonly filter: Filter; readonly rules: FilterRules }
  | { readonly op: 'document'; readonly test: DocumentTest }

/** Which rows a question is about; absent: all. */
export interface Selection {
  readonly keys?: readonly string[]
  readonly where?: Where
}

/** Cheap conditions first, so that texts are read only of rows that could still match. */
export function costOf(where: Where): number {
  if (where.op === 'metadata') return 0
  if (where.op === 'document') return where.test.literals.length > 0 ? 1 : 2
  if (where.op === 'not') return costOf(where.part)
  return Math.max(0, ...where.parts.map(costOf))
}
