import { S3VectorsError } from './errors.ts'

/** A page token: where to go on, and what the question was. */
export function encodeToken(fields: Readonly<Record<string, string | number>>): string {
  return Buffer.from(JSON.stringify(fields)).toString('base64url')
}

/** @throws {S3VectorsError} `ValidationException` for a token that is not ours, or belongs to another question. */
export function decodeToken(token: string, question: Readonly<Record<string, string | number>>): Record<string, unknown> {
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch {
    fields = null
  }
  if (typeof fields !== 'object' || fields === null) throw new S3VectorsError('ValidationException', 'Invalid nextToken')
  for (const [name, value] of Object.entries(question)) {
    if ((fields as Record<string, unknown>)[name] !== value) throw new S3VectorsError('ValidationException', 'nextToken belongs to a request with other parameters')
  }
  return fields as Record<string, unknown>
}
