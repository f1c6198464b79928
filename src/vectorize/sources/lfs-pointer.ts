import { fromUtf8Lenient } from '../../base/bytes.ts'

/** What a pointer file of Git LFS stands for. */
export interface LfsPointer {
  readonly sha256: string
  readonly size: number
}

/** Reads a pointer file (Git LFS specification, version 1); null for anything else. */
export function parseLfsPointer(bytes: Uint8Array): LfsPointer | null {
  const text = fromUtf8Lenient(bytes)
  if (!/^version https:\/\/(git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\r?\n/.test(text)) return null
  const sha256 = /^oid sha256:([0-9a-f]{64})\r?$/m.exec(text)?.[1]
  const size = /^size (\d+)\r?$/m.exec(text)?.[1]
  return sha256 !== undefined && size !== undefined ? { sha256, size: Number(size) } : null
}
