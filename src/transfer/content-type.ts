import { extname } from 'node:path'

// The IANA media types of what documentation and models are made of; the rest is bytes.
const types: Record<string, string> = {
  '.css': 'text/css', '.csv': 'text/csv', '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', '.gif': 'image/gif', '.gz': 'application/gzip',
  '.htm': 'text/html', '.html': 'text/html', '.ico': 'image/vnd.microsoft.icon', '.jpeg': 'image/jpeg', '.jpg': 'image/jpeg', '.js': 'text/javascript', '.json': 'application/json',
  '.jsonl': 'application/jsonl', '.md': 'text/markdown', '.mjs': 'text/javascript', '.mp3': 'audio/mpeg', '.mp4': 'video/mp4', '.parquet': 'application/vnd.apache.parquet', '.pdf': 'application/pdf',
  '.png': 'image/png', '.svg': 'image/svg+xml', '.tsv': 'text/tab-separated-values', '.txt': 'text/plain', '.wasm': 'application/wasm', '.wav': 'audio/wav', '.webp': 'image/webp',
  '.woff2': 'font/woff2', '.xml': 'application/xml', '.yaml': 'application/yaml', '.yml': 'application/yaml', '.zip': 'application/zip',
}

/** The media type of a file by its name. */
export function contentTypeOf(path: string): string {
  return types[extname(path).toLowerCase()] ?? 'application/octet-stream'
}
