// Writes the files that test/compat opens. Run once for a format version; a file that is there is never changed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFiles } from '../test/compat/encode-v1.ts'

const folder = join(import.meta.dirname, '../test/compat/v1')
mkdirSync(folder, { recursive: true })
for (const [name, bytes] of encodeFiles()) {
  const path = join(folder, `${name}.bin`)
  if (!existsSync(path)) {
    writeFileSync(path, bytes)
    console.log(`wrote ${name}.bin, ${bytes.length} bytes`)
  } else if (!readFileSync(path).equals(bytes)) {
    console.error(
      `${name}.bin differs from what is written now: the format has changed, so give it a new version and a new folder`,
    )
    process.exitCode = 1
  }
}
