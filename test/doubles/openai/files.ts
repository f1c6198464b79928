import { createHash } from 'node:crypto'
import { ApiError, badParameter, notFound, pageOf, type Answer, type DoubleRequest } from './answers.ts'
import type { OpenAiState, PendingUpload, StoredFile } from './state.ts'

const purposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']
const fileBytesMax = 512 * 1024 * 1024
const partBytesMax = 64 * 1024 * 1024
const uploadSeconds = 3600

/** Routes of `/files` and `/uploads`; null when the path is none of them. */
export function answerFiles(state: OpenAiState, request: DoubleRequest): Answer | null {
  const [root, id, action] = request.path.slice(1).split('/')
  if (root === 'files') return id === undefined ? answerAll(state, request) : answerFile(state, request, id, action)
  if (root === 'uploads') return answerUploads(state, request, id, action)
  return null
}

function answerAll(state: OpenAiState, { method, query, fields, files }: DoubleRequest): Answer | null {
  if (method === 'GET') {
    const purpose = query.get('purpose')
    const all = [...state.files.values()].filter((file) => purpose === null || file.purpose === purpose)
    return { json: pageOf(all.map(showFile), query, { limitMax: 10_000, limitDefault: 10_000 }) }
  }
  if (method !== 'POST') return null
  const file = files.get('file')
  if (!file) throw badParameter('file', "'file' is a required property")
  checkPurpose(fields.get('purpose'))
  if (file.bytes === 0) throw badParameter('file', 'File is empty.')
  if (file.bytes > fileBytesMax) throw new ApiError(413, `413: Maximum content size limit (${fileBytesMax}) exceeded (${file.bytes} bytes read)`)
  return { json: showFile(keepFile(state, file.filename, fields.get('purpose')!, file.bytes, file.content)) }
}

function answerFile(state: OpenAiState, { method }: DoubleRequest, id: string, action: string | undefined): Answer | null {
  const file = state.files.get(id)
  if (!file) throw notFound('such File object', id)
  if (method === 'GET' && action === 'content') {
    if (file.purpose === 'assistants') throw new ApiError(400, 'Not allowed to download files of purpose: assistants')
    return { bytes: file.content ?? new Uint8Array(0) }
  }
  if (action !== undefined) return null
  if (method === 'GET') return { json: showFile(file) }
  if (method !== 'DELETE') return null
  state.files.delete(id)
  return { json: { id, object: 'file', deleted: true } }
}

function answerUploads(state: OpenAiState, request: DoubleRequest, id: string | undefined, action: string | undefined): Answer | null {
  if (request.method !== 'POST') return null
  if (id === undefined) return { json: showUpload(startUpload(state, request.body)) }
  const upload = state.uploads.get(id)
  if (!upload) throw notFound('upload', id)
  if (upload.status !== 'pending') throw new ApiError(400, `Upload has status '${upload.status}'.`)
  if (state.seconds() > upload.createdAt + uploadSeconds) throw new ApiError(400, "Upload has status 'expired'.")
  if (action === 'parts') return { json: addPart(state, upload, request) }
  if (action === 'cancel') upload.status = 'cancelled'
  else if (action === 'complete') completeUpload(state, upload, request.body)
  else return null
  return { json: showUpload(upload) }
}

function startUpload(state: OpenAiState, { bytes, filename, mime_type: mimeType, purpose }: DoubleRequest['body']): PendingUpload {
  if (typeof bytes !== 'number' || typeof filename !== 'string' || typeof mimeType !== 'string') throw badParameter('bytes', 'bytes, filename and mime_type are required')
  checkPurpose(purpose)
  const upload: PendingUpload = { id: state.newId('upload_'), filename, bytes, purpose: purpose as string, createdAt: state.seconds(), status: 'pending', file: null, parts: new Map() }
  state.uploads.set(upload.id, upload)
  return upload
}

function addPart(state: OpenAiState, upload: PendingUpload, { files }: DoubleRequest): unknown {
  const data = files.get('data')
  if (!data) throw badParameter('data', "'data' is a required property")
  if (data.bytes > partBytesMax) throw new ApiError(413, `a part has ${data.bytes} bytes, at most ${partBytesMax} are allowed`)
  const id = state.newId('part_')
  upload.parts.set(id, { bytes: data.bytes, content: data.content, createdAt: state.seconds() })
  return { id, object: 'upload.part', created_at: state.seconds(), upload_id: upload.id }
}

function completeUpload(state: OpenAiState, upload: PendingUpload, { part_ids: partIds, md5 }: DoubleRequest['body']): void {
  if (!Array.isArray(partIds)) throw badParameter('part_ids', "'part_ids' is a required property")
  const parts = partIds.map((id: string) => {
    const part = upload.parts.get(id)
    if (!part) throw notFound('part', id)
    return part
  })
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  if (bytes !== upload.bytes) throw new ApiError(400, `The parts have ${bytes} bytes, the upload was declared with ${upload.bytes}.`)
  const content = parts.every((part) => part.content) ? Buffer.concat(parts.map((part) => part.content!)) : null
  if (typeof md5 === 'string' && content && md5 !== createHash('md5').update(content).digest('hex')) throw badParameter('md5', 'The checksum does not match.')
  upload.status = 'completed'
  upload.file = keepFile(state, upload.filename, upload.purpose, bytes, content)
}

function keepFile(state: OpenAiState, filename: string, purpose: string, bytes: number, content: Uint8Array | null): StoredFile {
  const file = { id: state.newId('file-'), filename, purpose, bytes, content, createdAt: state.seconds() }
  state.files.set(file.id, file)
  return file
}

function checkPurpose(purpose: unknown): void {
  if (!purposes.includes(purpose as string)) throw badParameter('purpose', `'${String(purpose)}' is not one of ${JSON.stringify(purposes)} - 'purpose'`)
}

function showFile({ id, filename, purpose, bytes, createdAt }: StoredFile) {
  return { id, object: 'file', bytes, created_at: createdAt, filename, purpose, expires_at: null, status: 'processed', status_details: null }
}

function showUpload({ id, filename, bytes, purpose, createdAt, status, file }: PendingUpload) {
  return { id, object: 'upload', bytes, created_at: createdAt, filename, purpose, status, expires_at: createdAt + uploadSeconds, file: file && showFile(file) }
}
