import { createHash } from 'node:crypto'
import { WindlassError } from '../../../base/errors.ts'
import type { DocumentVersion } from '../destination.ts'

/**
 * Extensions that OpenAI's file search reads, with their media types: the table "Supported files" of its guide. It refuses others by
 * name, whatever is in the file.
 */
export const supportedExtensions: Readonly<Record<string, string>> = {
  c: 'text/x-c',
  cpp: 'text/x-c++',
  cs: 'text/x-csharp',
  css: 'text/css',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  go: 'text/x-golang',
  html: 'text/html',
  java: 'text/x-java',
  js: 'text/javascript',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  php: 'text/x-php',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  py: 'text/x-python',
  rb: 'text/x-ruby',
  sh: 'application/x-sh',
  tex: 'text/x-tex',
  ts: 'application/typescript',
  txt: 'text/plain',
}

// Other names of the same thing; all other text goes as `.txt`.
const sameAs: Readonly<Record<string, string>> = {
  htm: 'html', xhtml: 'html', markdown: 'md', mdown: 'md', mkd: 'md', mdx: 'md', mjs: 'js', cjs: 'js', jsx: 'js', mts: 'ts', cts: 'ts', tsx: 'ts',
  cc: 'cpp', cxx: 'cpp', hpp: 'cpp', hxx: 'cpp', h: 'c', pyi: 'py', bash: 'sh', zsh: 'sh', ksh: 'sh', latex: 'tex', text: 'txt',
}
const binary = new Set(['doc', 'docx', 'pdf', 'pptx'])
const stemLengthMax = 80
const sniffedBytesMax = 4096

/** Marks the Files of one vectorizer in one vector store: Files have no attributes, and one that was never attached is found by its name only. */
export function markerOf(vectorizer: string, vectorStoreId: string): string {
  return `.windlass-${createHash('sha256').update(`${vectorizer}\0${vectorStoreId}`).digest('hex').slice(0, 8)}`
}

/**
 * The name under which a document is uploaded: `install.windlass-<marker><nonce>.md`.
 * @param start First bytes: they tell text from what is not, where the extension does not.
 * @throws {WindlassError} `invalid` for what is neither text nor of a supported kind.
 */
export function filenameOf({ path, contentType }: DocumentVersion, { marker, nonce, start }: { marker: string; nonce: string; start: Uint8Array }): { filename: string; mediaType: string } {
  const [, stem = '', written = ''] = /^(.*?)(?:\.([^.]*))?$/s.exec(withoutQuery(path).split('/').at(-1) ?? '') ?? []
  const extension = extensionOf(written.toLowerCase(), contentType, start)
  if (extension === null) throw new WindlassError('invalid', `openai: ${path}: neither text nor of a kind that file search reads: exclude it, or convert it to one of ${Object.keys(supportedExtensions).join(', ')}`, { path: 'path' })
  // A name that is all extension (`.gitignore`), and what an extension says that is not kept, stay readable.
  const named = extension === written.toLowerCase() || written === '' ? stem : `${stem}.${written}`
  const readable = named.replace(/[^\p{L}\p{M}\p{N}._ ()+-]/gu, '_').replace(/^\.+/, '')
  return { filename: `${[...readable].slice(0, stemLengthMax).join('') || 'file'}${marker}${nonce}.${extension}`, mediaType: supportedExtensions[extension]! }
}

function withoutQuery(path: string): string {
  return /^https?:\/\//.test(path) ? path.replace(/^https?:\/\/[^/]*/, '').replace(/[?#].*$/s, '') : path
}

function extensionOf(written: string, contentType: string | undefined, start: Uint8Array): string | null {
  const known = sameAs[written] ?? written
  const isText = looksLikeText(start)
  if (binary.has(known)) return known
  if (known in supportedExtensions) return isText ? known : null
  const type = contentType?.split(';')[0]?.trim().toLowerCase()
  const ofType = Object.entries(supportedExtensions).find(([, mediaType]) => mediaType === type)?.[0]
  if (ofType !== undefined && (binary.has(ofType) || isText)) return ofType
  return isText ? 'txt' : null
}

/** UTF-16 has zero bytes, but says so at the start. */
function looksLikeText(start: Uint8Array): boolean {
  if ((start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff)) return true
  return !start.subarray(0, sniffedBytesMax).includes(0)
}
