import { createHash } from 'node:crypto'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import type { DocumentVersion } from '../destination.ts'
import { filenameOf } from './filename.ts'
import { deleteObject, listAll, type ApiFile } from './openai-api.ts'
import type { OpenAiClient } from './openai-client.ts'

/** OpenAI's limit of one file. */
export const fileBytesMax = 512 * 1024 * 1024
/** OpenAI takes parts of up to 64 MB; one is in memory for each file that is uploaded. */
export const partBytesDefault = 16 * 1024 * 1024
const triesMax = 4
// How far before now a File may seem to be made: clocks tell whole seconds, and an upload of parts takes its time.
const lookBackMs = 10 * 60_000
const lookedAtMax = 2000
// More than was declared: read no further than to see it.
const unexpectedBytes = 65_536

export interface UploadOptions {
  readonly marker: string
  /** Unique: tells this upload from every other. */
  readonly nonce: string
  /** Files up to this size go in one request, larger ones in parts of it. */
  readonly partBytes: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Uploads a document as a File; whatever goes wrong, at most one stays, and none when it fails and the server can be reached.
 * @throws {WindlassError} `too-large` above 512 MB, `invalid` when it is empty or of no supported kind, `conflict` when the bytes are not
 * those of the version.
 */
export async function uploadFile(client: OpenAiClient, document: DocumentVersion, bytes: () => AsyncIterable<Uint8Array>, options: UploadOptions): Promise<ApiFile> {
  const { path, sizeBytes } = document
  if (sizeBytes > fileBytesMax) throw new WindlassError('too-large', `openai: ${path}: has ${sizeBytes} bytes, a file may have ${fileBytesMax}: split or exclude it`, { path: 'sizeBytes' })
  if (sizeBytes === 0) throw new WindlassError('invalid', `openai: ${path}: is empty, and empty files are not taken: exclude it`, { path: 'sizeBytes' })
  const parts = partsOf(bytes(), options.partBytes, sizeBytes)
  const digest = createDigest(document)
  const first = await parts.next()
  if (first.done) throw digest.changed(0)
  digest.add(first.value)
  const name = filenameOf(document, { ...options, start: first.value })
  if (sizeBytes > options.partBytes) return uploadParts(client, document, name, first.value, parts, digest, options)
  for (let next = await parts.next(); !next.done; next = await parts.next()) digest.add(next.value)
  digest.check()
  const operation = `upload ${path}`
  const send = async () => {
    const form = new FormData()
    form.append('purpose', 'assistants')
    form.append('file', new File([first.value], name.filename, { type: name.mediaType }))
    return (await client.send({ method: 'POST', path: '/files', operation, form, formBytes: first.value.length, repeat: 'refused', signal: options.signal })).value as ApiFile
  }
  return createFile(client, name.filename, sizeBytes, send, options.signal)
}

async function uploadParts(client: OpenAiClient, { path, sizeBytes }: DocumentVersion, { filename, mediaType }: { filename: string; mediaType: string }, first: Uint8Array<ArrayBuffer>, rest: AsyncIterable<Uint8Array<ArrayBuffer>>, digest: Digest, { signal }: UploadOptions): Promise<ApiFile> {
  const operation = `upload ${path}`
  const { id } = (await client.send({ method: 'POST', path: '/uploads', operation, json: { bytes: sizeBytes, filename, mime_type: mediaType, purpose: 'assistants' }, signal })).value as { id: string }
  try {
    const partIds: string[] = []
    const sendPart = async (part: Uint8Array<ArrayBuffer>) => {
      const form = new FormData()
      form.append('data', new File([part], 'part', { type: 'application/octet-stream' }))
      // A part that arrives twice is harmless: the list at the end names each once.
      const answer = await client.send({ method: 'POST', path: `/uploads/${id}/parts`, operation: `${operation}, part ${partIds.length + 1}`, form, formBytes: part.length, signal })
      partIds.push((answer.value as { id: string }).id)
    }
    await sendPart(first)
    for await (const part of rest) {
      digest.add(part)
      await sendPart(part)
    }
    const md5 = digest.check()
    const send = async () => {
      const upload = (await client.send({ method: 'POST', path: `/uploads/${id}/complete`, operation, json: { part_ids: partIds, md5 }, repeat: 'refused', signal })).value as { file: ApiFile }
      return upload.file
    }
    return await createFile(client, filename, sizeBytes, send, signal)
  } catch (error) {
    // It expires by itself within an hour.
    await client.send({ method: 'POST', path: `/uploads/${id}/cancel`, operation }).catch(() => {})
    throw error
  }
}

/** Repeats what makes a File, once it has looked whether the last time did after all. */
async function createFile(client: OpenAiClient, filename: string, sizeBytes: number, send: () => Promise<ApiFile>, signal: AbortSignal | undefined): Promise<ApiFile> {
  for (let tries = 1; ; tries++) {
    try {
      return await send()
    } catch (error) {
      if (isWindlassError(error, 'cancelled')) {
        const made = await findMade(client, filename, sizeBytes, undefined)
        if (made) await deleteObject(client, `/files/${made.id}`, `remove ${filename}`)
        throw error
      }
      if (!isWindlassError(error, 'outcome-unknown')) throw error
      const made = await findMade(client, filename, sizeBytes, signal)
      if (made) return made
      if (tries === triesMax) throw new WindlassError('unavailable', `${error.message} (${tries} times)`, { cause: error })
      await client.backOff(tries, signal)
    }
  }
}

/** The File of this name among the newest; further ones, and those that arrived in part, are removed. */
async function findMade(client: OpenAiClient, filename: string, sizeBytes: number, signal: AbortSignal | undefined): Promise<ApiFile | null> {
  let found: ApiFile | null = null
  let seen = 0
  const operation = `look for ${filename}`
  for await (const file of listAll<ApiFile>(client, '/files', { purpose: 'assistants', order: 'desc', limit: '200' }, operation, signal)) {
    if (++seen > lookedAtMax || file.created_at * 1000 < client.serverNow() - lookBackMs) break
    if (file.filename !== filename) continue
    if (found === null && file.bytes === sizeBytes) found = file
    else await deleteObject(client, `/files/${file.id}`, operation, signal)
  }
  return found
}

interface Digest {
  add(part: Uint8Array): void
  /** @returns The MD5 that OpenAI checks. @throws {WindlassError} `conflict` when the bytes are not those of the version. */
  check(): string
  changed(sizeBytes: number): WindlassError
}

function createDigest({ path, sha256, sizeBytes }: DocumentVersion): Digest {
  const [sha, md5] = [createHash('sha256'), createHash('md5')]
  let seen = 0
  const changed = (size: number) => new WindlassError('conflict', `openai: ${path}: changed while it was read: expected ${sizeBytes} bytes of SHA-256 ${sha256.slice(0, 12)}…, found ${size} others; run again`)
  return {
    add: (part) => {
      sha.update(part)
      md5.update(part)
      seen += part.length
      if (seen > sizeBytes) throw changed(seen)
    },
    check: () => {
      if (seen !== sizeBytes || sha.digest('hex') !== sha256) throw changed(seen)
      return md5.digest('hex')
    },
    changed,
  }
}

/** The stream in pieces of `size` bytes, the last one shorter. @param expected How much will come, so that no more memory is taken than is needed. */
async function* partsOf(stream: AsyncIterable<Uint8Array>, size: number, expected: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let left = expected
  const open = () => new Uint8Array(Math.min(size, left > 0 ? left : unexpectedBytes))
  let part = open()
  let length = 0
  for await (let bytes of stream) {
    while (bytes.length > 0) {
      const taken = bytes.subarray(0, part.length - length)
      part.set(taken, length)
      length += taken.length
      left -= taken.length
      bytes = bytes.subarray(taken.length)
      if (length < part.length) continue
      yield part
      part = open()
      length = 0
    }
  }
  if (length > 0) yield part.subarray(0, length)
}
