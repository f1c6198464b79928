// A folder of files as the server gives them out: beside each what gzip and brotli make of it, and files.json, which says what there is.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

/**
 * @param target Replaced as a whole, in one step.
 * @param write Puts files below the folder that it is given, and returns their paths.
 */
export async function writeAssets(target, write) {
  mkdirSync(dirname(target), { recursive: true })
  // Beside the target: renamed into place, so that a server never finds half of it.
  const stage = mkdtempSync(`${target}.`)
  try {
    const entries = {}
    for (const path of await write(stage)) {
      const bytes = readFileSync(join(stage, path))
      entries[path] = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
      // Pictures are compressed already.
      if (path.endsWith('.png')) continue
      writeFileSync(join(stage, `${path}.gz`), gzipSync(bytes, { level: 9 }))
      writeFileSync(join(stage, `${path}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }))
    }
    writeFileSync(join(stage, 'files.json'), `${JSON.stringify(entries, null, 2)}\n`)
    // Made for this user alone, as temporary folders are.
    chmodSync(stage, 0o755)
    rmSync(target, { recursive: true, force: true })
    renameSync(stage, target)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}
