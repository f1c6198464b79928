import type { Block } from '../document.ts'
import type { HeadingTrail } from '../headings.ts'

/** A longer one is no heading, whatever the markup says, and would be repeated in every passage below it. */
const headingCharsMax = 250

/** A heading that opens a section, or a paragraph if it is too long for one. Level 0 is a title above all headings. */
export function headingBlock(trail: HeadingTrail, level: number, text: string, place: Partial<Block>): Block {
  if (text.length > headingCharsMax) return { ...place, kind: 'paragraph', text, headingPath: trail.path }
  return { ...place, kind: 'heading', level: Math.max(1, level), text, headingPath: trail.enter(level, text) }
}
