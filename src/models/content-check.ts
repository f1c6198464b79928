import { createHash, type Hash } from 'node:crypto'
import { WindlassError } from '../base/errors.ts'
import { partBytesOf, type ModelFile } from './model-manifest.ts'

/** What a file's bytes turned out to be. */
export interface CheckedContent {
  readonly sha256: string
  readonly parts: readonly string[] | null
}

/** Hashes a file as its bytes come, in order: as a whole, part by part, and as git does where that is how the hub names it. */
export class ContentCheck {
  #count = 0
  readonly #file: ModelFile
  readonly #whole: Hash
  readonly #git: Hash | null
  readonly #partBytes: number
  readonly #parts: string[] = []
  #part: Hash | null

  constructor(file: ModelFile) {
    this.#file = file
    this.#whole = createHash('sha256')
    this.#git = file.oid.startsWith('git:') ? createHash('sha1').update(`blob ${file.sizeBytes}\0`) : null
    this.#partBytes = partBytesOf(file.sizeBytes)
    this.#part = file.sizeBytes > this.#partBytes ? createHash('sha256') : null
  }

  /** Bytes seen so far. */
  get count(): number {
    return this.#count
  }

  update(bytes: Uint8Array): void {
    this.#whole.update(bytes)
    this.#git?.update(bytes)
    for (let at = 0; this.#part && at < bytes.length; ) {
      const take = Math.min(bytes.length - at, this.#partBytes - (this.#count % this.#partBytes))
      this.#part.update(bytes.subarray(at, at + take))
      at += take
      this.#count += take
      if (this.#count % this.#partBytes === 0) this.#endPart()
    }
    if (!this.#part) this.#count += bytes.length
  }

  /** @throws {WindlassError} `corrupt` when size or hash are not what they should be, naming `where` the bytes came from. */
  finish(where: string): CheckedContent {
    const { path, sizeBytes, oid, sha256: expected } = this.#file
    if (this.#count !== sizeBytes) throw new WindlassError('corrupt', `${path} has ${this.#count} bytes in ${where}, expected ${sizeBytes}`, { path })
    const { sha256, parts } = this.result()
    // Once the SHA-256 is known it alone counts: SHA-1 can be forged.
    const [found, wanted] = expected === null && this.#git ? [`git:${this.#git.digest('hex')}`, oid] : [`sha256:${sha256}`, expected === null ? oid : `sha256:${expected}`]
    if (found !== wanted) throw new WindlassError('corrupt', `${path} in ${where} is ${found}, expected ${wanted}`, { path })
    return { sha256, parts }
  }

  /** The hashes of what came, whatever was expected. Ends the check. */
  result(): CheckedContent {
    if (this.#part && this.#count % this.#partBytes !== 0) this.#endPart()
    return { sha256: this.#whole.digest('hex'), parts: this.#part ? this.#parts : null }
  }

  #endPart(): void {
    this.#parts.push(this.#part!.digest('hex'))
    this.#part = createHash('sha256')
  }
}

/** SHA-256 in hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
