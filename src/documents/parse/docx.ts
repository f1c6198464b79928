import { messageOf, WindlassError } from '../../base/errors.ts'
import type { Block, ParsedDocument } from '../document.ts'
import type { Source } from '../read/source.ts'
import { DocxReader, readNotes, readStyles, readTitle } from './docx-reader.ts'
import { unzipParts } from './zip-parts.ts'

/** Parts of a package that have text or tell what it means; pictures and fonts stay packed. */
const wanted = /^(_rels\/\.rels|docProps\/core\.xml|word\/(document\d*|styles\d*|footnotes\d*|endnotes\d*)\.xml)$/
const sliceBytes = 256 * 1024

/**
 * Reads a Word document (ECMA-376): headings by style, paragraphs, lists, tables, foot- and endnotes; without deleted and hidden
 * text and without the table of contents. XML entities are not expanded, and nothing outside the package is looked at.
 * @throws {WindlassError} `invalid` for a damaged file or another kind of zip; `too-large` for one that unpacks to too much.
 */
export async function parseDocx(source: Source): Promise<Omit<ParsedDocument, 'format'>> {
  const parts = unzipParts(await source.readAll(), (name) => wanted.test(name), source.name)
  const target =
    /Target="\/?(word\/document\d*\.xml)"/.exec(asText(parts.get('_rels/.rels')))?.[1] ?? 'word/document.xml'
  const body = parts.get(target)
  if (!body)
    throw new WindlassError(
      'invalid',
      `${source.name} is a zip archive without word/document.xml, so not DOCX (a spreadsheet or another archive?)`,
      { path: source.name },
    )
  try {
    const part = (name: string) => asText([...parts].find(([key]) => key.startsWith(`word/${name}`))?.[1])
    const title = readTitle(asText(parts.get('docProps/core.xml')))
    const notes = new Map([...readNotes(part('footnotes'), 'footnote'), ...readNotes(part('endnotes'), 'endnote')])
    const reader = new DocxReader(readStyles(part('styles')), notes)
    return { ...(title !== undefined && { title }), blocks: blocks(body, reader, source.name) }
  } catch (cause) {
    throw damaged(source.name, cause)
  }
}

async function* blocks(body: Uint8Array, reader: DocxReader, name: string): AsyncGenerator<Block> {
  const decoder = decoderOf(body)
  for (let start = 0; start < body.length; start += sliceBytes)
    yield* reader.write(decoder.decode(body.subarray(start, start + sliceBytes), { stream: true }))
  yield* reader.end()
  // What is cut off or garbled must not pass for all there was.
  if (!reader.isComplete) throw damaged(name, new Error('the document part has no end'))
}

function decoderOf(bytes: Uint8Array): TextDecoder {
  const [a, b] = bytes
  return new TextDecoder(a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8')
}

function asText(bytes: Uint8Array | undefined): string {
  return bytes ? decoderOf(bytes).decode(bytes) : ''
}

function damaged(name: string, cause: unknown): WindlassError {
  return new WindlassError('invalid', `${name} is damaged: ${messageOf(cause)}`, { path: name, cause })
}
