import { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'

/** The one file of a multipart body, on its way. */
export interface StreamedFile {
  readonly name: string
  readonly contentType: string
  /** To be read once, to its end. */
  readonly bytes: AsyncIterable<Uint8Array>
}

const limits = { files: 1, fields: 20, fieldSize: 64 * 1024, fieldNameSize: 200, headerPairs: 100 }

/**
 * The first file of a multipart body, as it comes: nothing of it is kept.
 * @throws {WindlassError} `invalid` for a body that is not multipart, or holds no file.
 */
export function streamMultipartFile(request: Request): Promise<StreamedFile> {
  const parser = openParser(request)
  const body = Readable.fromWeb(request.body as Parameters<typeof Readable.fromWeb>[0])
  return new Promise((resolve, reject) => {
    let file: Readable | null = null
    const damaged = (error: unknown) => {
      const failure = damage(error)
      reject(failure)
      // A file whose parser is gone would wait for its end for ever.
      file?.destroy(failure)
      body.unpipe(parser)
      body.destroy()
    }
    parser.on('file', (_field, stream, name, _encoding, contentType) => {
      file = stream
      // Who reads it is told; nobody may read it yet.
      stream.on('error', () => undefined)
      resolve({ name: name ?? '', contentType, bytes: fileBytes(stream) })
    })
    parser.on('finish', () => reject(new WindlassError('invalid', 'the multipart body holds no file: send one part with a file name', { path: 'body' })))
    parser.on('error', damaged)
    body.on('error', damaged)
    body.pipe(parser)
  })
}

/** The parser ends the file of a body that was cut off with an error of its own. */
async function* fileBytes(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } catch (error) {
    throw isWindlassError(error) ? error : damage(error)
  }
}

function damage(error: unknown): WindlassError {
  return new WindlassError('invalid', `the multipart body is damaged: ${messageOf(error)}`, { path: 'body', cause: error })
}

function openParser(request: Request): BusboyInstance {
  const contentType = request.headers.get('content-type') ?? ''
  if (!request.body) throw new WindlassError('invalid', 'the request has no body: send the recording', { path: 'body' })
  try {
    return new Busboy({ headers: { 'content-type': contentType } as BusboyHeaders, limits, preservePath: false })
  } catch (cause) {
    throw new WindlassError('invalid', `content-type ${JSON.stringify(contentType.slice(0, 100))} is not multipart with a boundary: ${messageOf(cause)}`, { path: 'content-type', cause })
  }
}
