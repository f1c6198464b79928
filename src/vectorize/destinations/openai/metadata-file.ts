import { toIsoTime } from '../../../base/clock.ts'
import { WindlassError } from '../../../base/errors.ts'

/** Where workflows keep it. */
export const metadataFilePath = '.deepgram/vectorstore_metadata.json'

/** One file that has been uploaded to a vector store. */
export interface MetadataEntry {
  readonly path: string
  readonly fileId: string
  /** Absent where neither the entry nor the file names one. */
  readonly vectorStoreId?: string
  /** In lower-case hexadecimal; absent where there is no checksum, or one of another kind. */
  readonly checksum?: { readonly algorithm: 'sha256' | 'md5'; readonly hex: string }
  /** Milliseconds since 1970. */
  readonly uploadedAt?: number
}

/** What to write of a file: SHA-256 always, MD5 for files that keep that. */
export interface MetadataUpdate {
  readonly path: string
  readonly fileId: string
  readonly vectorStoreId: string
  readonly sha256: string
  readonly md5?: string
  /** Milliseconds since 1970. */
  readonly uploadedAt: number
}

/** A metadata file as it was read: its entries, and everything that is needed to write it back in its own form. */
export interface MetadataFile {
  readonly entries: ReadonlyMap<string, MetadataEntry>
  readonly form: MetadataForm
  /** Entries as they stand in the file, by path. */
  readonly raw: ReadonlyMap<string, unknown>
  /** Fields beside the list of files. */
  readonly rest: Readonly<Record<string, unknown>>
}

/** Where in the file things are and what they are called. */
export interface MetadataForm {
  /** Field that holds the files; null where the file is nothing but them. */
  readonly container: string | null
  readonly list: 'object' | 'array'
  /** The field of an array's entry that names the path. */
  readonly path: string
  readonly fileId: string
  readonly vectorStoreId: string | null
  /** The vector store that is named once, above the files. */
  readonly storeOfAll: string | null
  readonly checksum: string
  readonly algorithm: 'sha256' | 'md5'
  /** `sha256:` before the digits. */
  readonly hasPrefix: boolean
  readonly uploadedAt: string
  readonly time: 'iso' | 's' | 'ms'
  /** Spaces, or a tab. */
  readonly indent: string
  /** An entry is the file's id alone. */
  readonly isIdOnly: boolean
}

const names = {
  container: ['files', 'documents', 'entries', 'uploaded_files'],
  path: ['path', 'file_path', 'filePath', 'filename', 'file', 'name'],
  fileId: ['file_id', 'fileId', 'openai_file_id', 'id'],
  vectorStoreId: ['vector_store_id', 'vectorStoreId', 'vector_store', 'store_id'],
  checksum: ['checksum', 'sha256', 'hash', 'md5', 'content_hash', 'file_hash'],
  uploadedAt: ['uploaded_at', 'uploadedAt', 'upload_timestamp', 'uploaded', 'timestamp', 'created_at', 'last_uploaded'],
} as const

/** The form of a file that is made anew: an object by path, SHA-256, ISO 8601 in UTC, two spaces. */
export const defaultForm: MetadataForm = { container: null, list: 'object', path: 'path', fileId: 'file_id', vectorStoreId: 'vector_store_id', storeOfAll: null, checksum: 'checksum', algorithm: 'sha256', hasPrefix: false, uploadedAt: 'uploaded_at', time: 'iso', indent: '  ', isIdOnly: false }

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads a metadata file in any of the forms that workflows write: an object by path or an array, alone or under `files`; fields by the
 * names above.
 * @param text Null or blank: there is none yet.
 * @throws {WindlassError} `invalid` for what is not JSON, or holds no files.
 */
export function readMetadataFile(text: string | null): MetadataFile {
  if (text === null || text.trim() === '') return { entries: new Map(), form: defaultForm, raw: new Map(), rest: {} }
  let parsed: unknown
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new WindlassError('invalid', 'the metadata file is not JSON: mend or remove it', { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null) throw new WindlassError('invalid', `the metadata file holds ${JSON.stringify(parsed)} instead of files: mend or remove it`)
  const container = Array.isArray(parsed) ? null : (names.container.find((name) => typeof (parsed as Fields)[name] === 'object' && (parsed as Fields)[name] !== null && !isEntry((parsed as Fields)[name])) ?? null)
  const files = (container === null ? parsed : (parsed as Fields)[container]) as Fields | readonly unknown[]
  const rest: Record<string, unknown> = container === null ? {} : Object.fromEntries(Object.entries(parsed).filter(([name]) => name !== container))
  const storeOfAll = pick(container === null ? (parsed as Fields) : rest, names.vectorStoreId)
  const pathName = Array.isArray(files) ? nameIn(names.path, files) : undefined
  const form: MetadataForm = { ...formOf(Object.values(files)), container, storeOfAll: typeof storeOfAll === 'string' ? storeOfAll : null, list: Array.isArray(files) ? 'array' : 'object', path: pathName ?? defaultForm.path, indent: /^[[{]\r?\n([ \t]+)/.exec(text.trim())?.[1] ?? (text.includes('\n') ? defaultForm.indent : '') }
  const raw = new Map<string, unknown>()
  const entries = new Map<string, MetadataEntry>()
  for (const [key, value] of Object.entries(files)) {
    const path = Array.isArray(files) ? (value as Fields | null)?.[form.path] : key
    const entry = typeof path === 'string' ? readEntry(path, value, form) : null
    if (entry) {
      entries.set(entry.path, entry)
      raw.set(entry.path, value)
    } else if (Array.isArray(files)) throw new WindlassError('invalid', `the metadata file's entry ${key} names no ${typeof path === 'string' ? 'file id' : 'path'}: mend or remove it`)
    // Beside the files of an object by path stand fields such as `version`.
    else rest[key] = value
  }
  return { entries, form, raw, rest }
}

/** The file with what was uploaded, and without what was removed. Fields that are not ours stay, also in entries. */
export function applyToMetadataFile(file: MetadataFile, { uploaded = [], removed = [] }: { uploaded?: readonly MetadataUpdate[]; removed?: readonly string[] }): MetadataFile {
  const [entries, raw] = [new Map(file.entries), new Map(file.raw)]
  for (const path of removed) {
    entries.delete(path)
    raw.delete(path)
  }
  for (const update of uploaded) {
    const { path, fileId, vectorStoreId, uploadedAt, sha256, md5 } = update
    const before = raw.get(path)
    const known = entries.get(path)
    const checksum = file.form.algorithm === 'md5' && md5 !== undefined ? { algorithm: 'md5' as const, hex: md5 } : { algorithm: 'sha256' as const, hex: sha256 }
    const entry = { path, fileId, vectorStoreId, checksum, uploadedAt }
    entries.set(path, entry)
    // What says the same already is not rewritten: the file does not change when nothing has.
    if (known && known.fileId === fileId && (known.vectorStoreId ?? vectorStoreId) === vectorStoreId && agrees(known, update)) entries.set(path, known)
    else raw.set(path, writeEntry(entry, before, file.form))
  }
  return { ...file, entries, raw }
}

/**
 * What brings a file in step with all that a destination holds: entries of this vector store that it does not hold are removed, those of
 * other stores stay.
 */
export function differenceTo(file: MetadataFile, held: readonly MetadataUpdate[], vectorStoreId: string): { uploaded: readonly MetadataUpdate[]; removed: string[] } {
  const paths = new Set(held.map(({ path }) => path))
  const removed = [...file.entries.values()].filter((entry) => !paths.has(entry.path) && (entry.vectorStoreId ?? vectorStoreId) === vectorStoreId)
  return { uploaded: held, removed: removed.map(({ path }) => path) }
}

/** The text of a file, in the form in which it was read; ends with a line end. */
export function writeMetadataFile({ form, raw, rest }: MetadataFile): string {
  const files = form.list === 'array' ? [...raw.values()] : Object.fromEntries(raw)
  const whole = form.container !== null ? { ...rest, [form.container]: files } : form.list === 'array' ? files : { ...rest, ...files }
  return `${JSON.stringify(whole, null, form.indent)}\n`
}

/** Whether an entry's checksum is of these very bytes; null when it has none that can be compared. */
export function isSameContent({ checksum }: MetadataEntry, { sha256, md5 }: { sha256: string; md5?: string }): boolean | null {
  const own = checksum?.algorithm === 'md5' ? md5 : sha256
  return checksum === undefined || own === undefined ? null : checksum.hex === own
}

function agrees({ checksum, uploadedAt }: MetadataEntry, update: MetadataUpdate): boolean {
  return isSameContent({ path: '', fileId: '', ...(checksum && { checksum }) }, update) !== false && uploadedAt !== undefined
}

function isEntry(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && typeof pick(value as Fields, names.fileId) === 'string'
}

function pick(fields: Fields, wanted: readonly string[]): unknown {
  const name = wanted.find((each) => fields[each] !== undefined && fields[each] !== null)
  return name === undefined ? undefined : fields[name]
}

/** The first of the names that an entry has. */
function nameIn(wanted: readonly string[], entries: readonly unknown[]): string | undefined {
  return wanted.find((name) => entries.some((entry) => typeof entry === 'object' && entry !== null && (entry as Fields)[name] !== undefined))
}

function formOf(values: readonly unknown[]): MetadataForm {
  const entries = values.filter(isEntry) as Fields[]
  const isIdOnly = entries.length === 0 && values.some((value) => typeof value === 'string' && /^file-/.test(value))
  const checksum = nameIn(names.checksum, entries) ?? defaultForm.checksum
  const uploadedAt = nameIn(names.uploadedAt, entries) ?? defaultForm.uploadedAt
  const sums = entries.map((entry) => entry[checksum]).filter((value) => typeof value === 'string')
  const time = entries.map((entry) => entry[uploadedAt]).find((value) => typeof value === 'number')
  // Files of a form that names no vector store in its entries name it once, above them.
  const vectorStoreId = entries.length === 0 ? defaultForm.vectorStoreId : (nameIn(names.vectorStoreId, entries) ?? null)
  return {
    ...defaultForm,
    fileId: nameIn(names.fileId, entries) ?? defaultForm.fileId,
    vectorStoreId,
    checksum,
    algorithm: sums.some((sum) => readChecksum(sum)?.algorithm === 'md5') ? 'md5' : 'sha256',
    hasPrefix: sums.some((sum) => sum.includes(':')),
    uploadedAt,
    time: time === undefined ? 'iso' : time > 1e11 ? 'ms' : 's',
    isIdOnly,
  }
}

function readEntry(path: string, value: unknown, form: MetadataForm): MetadataEntry | null {
  const storeOfAll = form.storeOfAll ?? undefined
  if (form.isIdOnly && typeof value === 'string') return { path, fileId: value, ...(storeOfAll !== undefined && { vectorStoreId: storeOfAll }) }
  if (!isEntry(value)) return null
  const fields = value as Fields
  const store = pick(fields, names.vectorStoreId) ?? storeOfAll
  const checksum = readChecksum(fields[form.checksum])
  const uploadedAt = readTime(fields[form.uploadedAt])
  return { path, fileId: pick(fields, [form.fileId, ...names.fileId]) as string, ...(typeof store === 'string' && { vectorStoreId: store }), ...(checksum && { checksum }), ...(uploadedAt !== null && { uploadedAt }) }
}

function writeEntry({ path, fileId, vectorStoreId, checksum, uploadedAt }: Required<MetadataEntry>, before: unknown, form: MetadataForm): unknown {
  if (form.isIdOnly) return fileId
  const fields = typeof before === 'object' && before !== null ? (before as Fields) : form.list === 'array' ? { [form.path]: path } : {}
  // One that is elsewhere says so itself.
  const store = form.vectorStoreId ?? (form.storeOfAll !== null && form.storeOfAll !== vectorStoreId ? defaultForm.vectorStoreId : null)
  const time = form.time === 'iso' ? toIsoTime(uploadedAt) : form.time === 'ms' ? uploadedAt : Math.floor(uploadedAt / 1000)
  return { ...fields, [form.fileId]: fileId, ...(store !== null && { [store]: vectorStoreId }), [form.checksum]: `${form.hasPrefix ? `${checksum.algorithm}:` : ''}${checksum.hex}`, [form.uploadedAt]: time }
}

/** Told by its length, unless its kind is written before it. */
function readChecksum(value: unknown): MetadataEntry['checksum'] | null {
  const [, hex] = (typeof value === 'string' && /^(?:[a-z0-9-]+:)?([0-9a-f]+)$/i.exec(value)) || []
  if (hex?.length === 64) return { algorithm: 'sha256', hex: hex.toLowerCase() }
  return hex?.length === 32 ? { algorithm: 'md5', hex: hex.toLowerCase() } : null
}

function readTime(value: unknown): number | null {
  if (typeof value === 'number' && Number.isFinite(value)) return value > 1e11 ? value : value * 1000
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? null : ms
}
