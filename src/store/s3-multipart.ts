import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { concatBytes } from '../base/bytes.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { PutResult } from './object-store.ts'
import type { S3Connection, S3Request } from './s3-connection.ts'

// S3 allows 10,000 parts: the parts grow, so that 5 TiB fit and a small stream takes little memory.
const firstPartBytes = 8 * 1024 * 1024
const partsPerSize = 1000
const partsInFlight = 3
const attemptsMax = 4

interface Part {
  readonly PartNumber: number
  readonly ETag: string | undefined
}

/**
 * Writes parts of a stream to one key, a few at a time. A part that got no answer is sent again: it replaces itself.
 * A failed upload is aborted; where that is denied, what is left is the bucket's lifecycle rule's to remove.
 * @param parts From `cutParts`, at least two.
 */
export async function uploadParts(connection: S3Connection, parts: AsyncIterable<Uint8Array>, { key, contentType, signal }: { key: string; contentType: string; signal: AbortSignal | undefined }): Promise<PutResult> {
  const target = { Bucket: connection.bucket, Key: key }
  const request: S3Request = { operation: 'put', key, action: 's3:PutObject', signal }
  const { output } = await connection.send<{ UploadId?: string }>(new CreateMultipartUploadCommand({ ...target, ContentType: contentType, CacheControl: 'no-store' }), request)
  const upload = { ...target, UploadId: output.UploadId }
  const done: Part[] = []
  const running = new Set<Promise<void>>()
  try {
    let number = 0
    for await (const body of parts) {
      const PartNumber = ++number
      const sent = repeat(() => connection.send<{ ETag?: string }>(new UploadPartCommand({ ...upload, PartNumber, Body: body }), { ...request, bodyBytes: body.length }))
      const part: Promise<void> = sent.then((answer) => {
        done.push({ PartNumber, ETag: answer.output.ETag })
        running.delete(part)
      })
      // Awaited below; without this, a second failure would count as unhandled.
      part.catch(() => undefined)
      running.add(part)
      if (running.size >= partsInFlight) await Promise.race(running)
    }
    await Promise.all(running)
    const Parts = done.sort((a, b) => a.PartNumber - b.PartNumber)
    const completed = await connection.send<{ ETag?: string }>(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }), request)
    return { etag: completed.output.ETag ?? '', date: completed.date }
  } catch (error) {
    await Promise.allSettled(running)
    await connection.send(new AbortMultipartUploadCommand(upload), { operation: 'abort upload', key, action: 's3:AbortMultipartUpload' }).catch(() => undefined)
    throw error
  }
}

/** Cuts a stream into parts of the sizes that S3 wants: all but the last at least 5 MiB. Nothing for an empty stream. */
export async function* cutParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = []
  let size = 0
  let yielded = 0
  for await (let chunk of chunks) {
    for (;;) {
      const partBytes = firstPartBytes * 2 ** Math.floor(yielded / partsPerSize)
      if (size + chunk.length < partBytes) break
      const rest = partBytes - size
      yield concatBytes([...waiting, chunk.subarray(0, rest)])
      yielded++
      waiting = []
      size = 0
      chunk = chunk.subarray(rest)
    }
    // A copy: the source may reuse its buffer.
    waiting.push(chunk.slice())
    size += chunk.length
  }
  if (size > 0) yield concatBytes(waiting)
}

async function repeat<Value>(task: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task()
    } catch (error) {
      if (attempt >= attemptsMax || !isWindlassError(error, 'unavailable', 'outcome-unknown')) throw error instanceof WindlassError ? error : new WindlassError('unavailable', String(error), { cause: error })
    }
  }
}
