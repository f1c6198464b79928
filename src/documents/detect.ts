import { WindlassError } from '../base/errors.ts'
import { formats, type DocumentFormat } from './formats.ts'
import { languageOf } from './parse/languages.ts'
import { isUtf8 } from './read/encoding.ts'

/** What other files begin with, so that the error can say what was found. */
const foreignMagic: readonly (readonly [magic: string, name: string])[] = [
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['\x1f\x8b', 'gzip, decompress it first'],
  ['BZh', 'bzip2, decompress it first'],
  ['\x28\xb5\x2f\xfd', 'zstd, decompress it first'],
  ['\xfd7zXZ', 'xz, decompress it first'],
  ['\x7fELF', 'an ELF program'],
  ['\xd0\xcf\x11\xe0', 'an old or encrypted Office file, save it as .docx or PDF without a password'],
  ['ID3', 'MP3 audio'],
  ['OggS', 'Ogg audio'],
  ['RIFF', 'RIFF audio, video or image'],
  ['SQLite format 3', 'an SQLite database'],
  ['PAR1', 'Parquet'],
  ['{\\rtf', 'RTF, save it as .docx or PDF'],
]

/**
 * Tells a file's format by its magic bytes; then by its extension, or first by its content type for web addresses, whose
 * extensions (`.php`) name the server's language; then by how its text begins.
 * @throws {WindlassError} `invalid` when it is not text and no format we read, or not what its extension says.
 */
export function detectFormat(name: string, contentType: string | undefined, head: Uint8Array): DocumentFormat {
  const begins = latin1(head.subarray(0, 1024))
  const byMagic = formats.find(({ magic }) => magic !== undefined && begins.startsWith(magic))
  if (byMagic) return byMagic.format
  // The PDF reference lets up to 1,024 bytes come before the header.
  if (begins.includes('%PDF-') && extensionOf(name) === 'pdf') return 'pdf'

  const byExtension = formatOfExtension(extensionOf(name))
  const byType = formatOfContentType(contentType)
  const byName = /^https?:\/\//i.test(name) ? (byType ?? byExtension) : (byExtension ?? byType)
  const row = formats.find((row) => row.format === byName)
  const foreign = foreignMagic.find(([magic]) => begins.startsWith(magic))
  if (foreign && isBinaryMagic(foreign[0], head)) throw notText(name, `it is ${foreign[1]}`)
  if (row?.magic !== undefined) {
    throw new WindlassError(
      'invalid',
      `${name} is not ${row.format}: it does not begin with ${JSON.stringify(row.magic)}`,
      { path: name },
    )
  }
  checkText(name, head)
  return byName ?? formatOfText(begins)
}

/** The extension in lower case; the whole name of a file without one. Ignores a URL's query. */
export function extensionOf(name: string): string {
  const path = /^[a-z][a-z\d+.-]*:\/\//i.test(name) ? name.replace(/[?#].*$/s, '') : name
  const file = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
  return file.slice(file.lastIndexOf('.') + 1).toLowerCase()
}

function formatOfExtension(extension: string): DocumentFormat | undefined {
  return (
    formats.find(({ extensions }) => extensions.includes(extension))?.format ??
    (languageOf(extension) ? 'code' : undefined)
  )
}

function formatOfContentType(contentType = ''): DocumentFormat | undefined {
  const type = contentType.split(';')[0]!.trim().toLowerCase()
  // `text/plain` is what servers say when they do not know.
  return type === 'text/plain' ? undefined : formats.find(({ contentTypes }) => contentTypes.includes(type))?.format
}

function formatOfText(begins: string): DocumentFormat {
  return /^(\xef\xbb\xbf)?\s*(<!doctype html|<html[\s>])/i.test(begins) ? 'html' : 'text'
}

// A note that begins with "ID3" or "BZh" is still text.
function isBinaryMagic(magic: string, head: Uint8Array): boolean {
  return (
    magic.startsWith('{') ||
    head.subarray(0, 4096).some((byte) => byte < 0x09) ||
    !isUtf8(head.subarray(0, 4096), false)
  )
}

/**
 * Zero bytes mean binary, as git has it, unless every second byte is one: UTF-16. So does more than one control
 * character in twenty. Byte order marks vouch for text.
 */
function checkText(name: string, head: Uint8Array): void {
  const sample = head.subarray(0, 8000)
  const [a, b] = sample
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a === 0 && b === 0 && sample[2] === 0xfe)) return
  let zeros = 0
  let evenZeros = 0
  let controls = 0
  sample.forEach((byte, i) => {
    if (byte === 0) {
      zeros++
      if (i % 2 === 0) evenZeros++
    } else if (byte < 0x09 || (byte > 0x0d && byte < 0x20 && byte !== 0x1b) || byte === 0x7f) controls++
  })
  const pairs = sample.length / 2
  const isUtf16 = zeros > 0.5 * pairs && Math.min(evenZeros, zeros - evenZeros) <= 0.05 * pairs
  if (zeros > 0 && !isUtf16) throw notText(name, `byte ${sample.indexOf(0)} is zero`)
  if (controls > 0.05 * sample.length)
    throw notText(name, `${controls} of its first ${sample.length} bytes are control characters`)
}

function notText(name: string, why: string): WindlassError {
  const names = formats.map(({ format }) => format).join(', ')
  return new WindlassError('invalid', `${name} is not a text format we read: ${why} (we read ${names})`, { path: name })
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
