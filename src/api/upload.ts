import { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { messageOf, WindlassError } from '../base/errors.ts'

/** Bytes of an upload, put aside: they may be read more than once, until released. */
export interface KeptBytes {
  readonly sizeBytes: number
  open(): AsyncIterable<Uint8Array>
  release(): Promise<void>
}

/** Where uploads wait while they are indexed: memory for small ones, bounded temporary files for the rest. */
export interface Scratch {
  /** @throws {WindlassError} `too-large` above `limitBytes`, `storage-full` when the budget or the disk is used up. */
  keep(stream: AsyncIterable<Uint8Array>, what: string, limitBytes: number): Promise<KeptBytes>
}

/** One file of a multipart body. */
export interface UploadedFile {
  readonly name: string
  readonly contentType: string | undefined
  readonly bytes: KeptBytes
}

export interface MultipartUpload {
  readonly files: readonly UploadedFile[]
  readonly fields: ReadonlyMap<string, string>
  release(): Promise<void>
}

const multipartLimits = { files: 100, fields: 100, fieldSize: 64 * 1024, fieldNameSize: 200, headerPairs: 100 }

/**
 * Reads a multipart body, file by file, into scratch space. The caller releases what it gets.
 * @throws {WindlassError} `invalid` for a body that is not multipart, `too-large` over a limit.
 */
export async function readMultipart(request: Request, scratch: Scratch, fileBytesMax: number): Promise<MultipartUpload> {
  const parser = openParser(request)
  const fields = new Map<string, string>()
  const pending: Promise<UploadedFile>[] = []
  const streams: Readable[] = []
  const body = Readable.fromWeb(request.body as Parameters<typeof Readable.fromWeb>[0])
  const ended = new Promise<Error | null>((resolve) => {
    const fail = (error: unknown) => {
      // A file whose parser is gone would wait for its end for ever.
      for (const stream of streams) stream.destroy(new Error('upload ended early'))
      body.unpipe(parser)
      body.destroy()
      resolve(error instanceof Error ? error : new Error(messageOf(error)))
    }
    const damaged = (error: unknown) => fail(new WindlassError('invalid', `the multipart body is damaged: ${messageOf(error)}`, { path: 'body', cause: error }))
    parser.on('field', (name, value, _nameCut, valueCut) => {
      if (valueCut) fail(new WindlassError('too-large', `field ${JSON.stringify(name)} has more than ${multipartLimits.fieldSize} bytes`, { path: name }))
      fields.set(name, value)
    })
    parser.on('file', (_field, stream, name, _encoding, contentType) => {
      streams.push(stream)
      const kept = scratch.keep(stream, name ?? 'file', fileBytesMax).then((bytes) => ({ name: name ?? '', contentType, bytes }))
      kept.catch(fail)
      pending.push(kept)
    })
    for (const event of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
      parser.on(event, () => fail(new WindlassError('too-large', `a multipart body may have ${multipartLimits.files} files and ${multipartLimits.fields} fields`, { path: 'body' })))
    }
    parser.on('finish', () => resolve(null))
    parser.on('error', damaged)
    body.on('error', damaged)
    body.pipe(parser)
  })
  const failure = await ended
  const settled = await Promise.allSettled(pending)
  const files = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  // The body may have ended well, and the last file not have found room.
  const rejected = settled.find((result) => result.status === 'rejected')
  const release = async () => {
    for (const { bytes } of files) await bytes.release()
  }
  if (failure !== null || rejected) {
    await release()
    throw failure ?? rejected!.reason
  }
  return { files, fields, release }
}

function openParser(request: Request): BusboyInstance {
  const contentType = request.headers.get('content-type') ?? ''
  if (!request.body) throw new WindlassError('invalid', 'the request has no body: send the file', { path: 'body' })
  try {
    return new Busboy({ headers: { 'content-type': contentType } as BusboyHeaders, limits: multipartLimits, preservePath: true })
  } catch (cause) {
    throw new WindlassError('invalid', `content-type ${JSON.stringify(contentType.slice(0, 100))} is not multipart with a boundary: ${messageOf(cause)}`, { path: 'content-type', cause })
  }
}
