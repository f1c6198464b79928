import type { Block, ParsedDocument, ParseOptions } from '../document.ts'
import { extensionOf } from '../detect.ts'
import { BlockBuilder } from '../read/block-builder.ts'
import { detectEncoding, type Encoding } from '../read/encoding.ts'
import { readLines, type Line } from '../read/lines.ts'
import type { Source } from '../read/source.ts'
import { languageOf } from './languages.ts'

/** Lines that only close, or go on with, what stands above them. */
const continues =
  /^([)\]}]|end\b|else\b|elif\b|elsif\b|except\b|catch\b|finally\b|rescue\b|ensure\b|case\b|fi\b|done\b|esac\b|#endif|#else|#elif|EOF\b)/
/** Comments and decorators belong to what follows. */
const leads = /^(\/\/|\/\*|\*|#(?!include|define|if|endif|else|pragma)|--|;|%|@|"""|''')/

/**
 * Reads source code: one block for each definition at the outermost level, with the comments and decorators above it. Goes by
 * indentation and blank lines alone, which hold in every language that people lay out. Streams.
 */
export async function parseCode(source: Source, options: ParseOptions): Promise<Omit<ParsedDocument, 'format'>> {
  const encoding = detectEncoding(source, options)
  const language = languageOf(extensionOf(source.name))
  return {
    encoding: encoding.label,
    ...(language !== undefined && { language }),
    blocks: definitions(readLines(source, encoding), encoding),
  }
}

async function* definitions(batches: AsyncIterable<Line[]>, encoding: Encoding): AsyncGenerator<Block> {
  const builder = new BlockBuilder('code', encoding)
  let before: 'none' | 'blank' | 'body' | 'lead' | 'top' = 'none'
  for await (const lines of batches) {
    for (const line of lines) {
      const { text } = line
      const isBlank = text.trim() === ''
      const isTop = !isBlank && !/^\s/.test(text) && !continues.test(text)
      // A definition begins at the outermost level after a blank line, or right after a body that is indented.
      if ((isTop && (before === 'blank' || before === 'body')) || !builder.fits(line)) {
        const block = builder.take()
        if (block) yield block
      }
      builder.add(line)
      if (isBlank) {
        // Comments keep what a blank line sets apart from its definition only if nothing stands between.
        before = 'blank'
      } else if (isTop) before = leads.test(text) ? 'lead' : 'top'
      else before = /^\s/.test(text) ? (before === 'lead' ? 'lead' : 'body') : 'body'
    }
  }
  const block = builder.take()
  if (block) yield block
}
