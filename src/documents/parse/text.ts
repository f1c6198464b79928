import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { BlockBuilder } from '../read/block-builder.ts'
import { detectEncoding, type Encoding } from '../read/encoding.ts'
import { readLines, type Line } from '../read/lines.ts'
import type { Source } from '../read/source.ts'

/** Reads plain text: a paragraph is a run of lines that are not blank. Streams; a block has at most 32 Ki characters. */
export async function parseText(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  return { encoding: encoding.label, blocks: paragraphs(readLines(source, encoding), encoding) }
}

/** Paragraphs of `batches` of lines. */
export async function* paragraphs(batches: AsyncIterable<Line[]>, encoding: Encoding): AsyncGenerator<Block> {
  const builder = new BlockBuilder('paragraph', encoding)
  for await (const lines of batches) {
    for (const line of lines) {
      const isBlank = line.text.trim() === ''
      if (isBlank || !builder.fits(line)) {
        const block = builder.take()
        if (block) yield block
      }
      if (!isBlank) builder.add(line)
    }
  }
  const block = builder.take()
  if (block) yield block
}
