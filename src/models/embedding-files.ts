import { isWindlassError } from '../base/errors.ts'
import { fileOf } from './model-manifest.ts'
import type { ModelStore } from './model-store.ts'

/** Files of models as the embedders take them (`ModelFiles`), from a store that is opened when the first is asked for. */
export function embeddingFiles(open: () => Promise<ModelStore>) {
  return {
    async list(name: string): Promise<string[]> {
      return (await (await open()).resolve(name)).files.map(({ path }) => path)
    },
    async load(name: string, paths: readonly string[]): Promise<{ folder: string | null; files: Record<string, Uint8Array<ArrayBuffer> | null>; release: () => Promise<void> }> {
      const store = await open()
      try {
        const model = await store.use(name, { include: paths.map(plainPattern) })
        const files = Object.fromEntries(paths.map((path) => [path, null]))
        return { folder: model.folder, files, release: () => model.release() }
      } catch (error) {
        if (!isWindlassError(error, 'storage-full')) throw error
      }
      // No room on the disk: the memory that the model takes anyway.
      const manifest = await store.resolve(name)
      const files: Record<string, Uint8Array<ArrayBuffer>> = {}
      for (const path of paths) {
        const bytes = new Uint8Array(fileOf(manifest, path).sizeBytes)
        let at = 0
        for await (const chunk of store.read(manifest, path)) {
          bytes.set(chunk, at)
          at += chunk.length
        }
        files[path] = bytes
      }
      return { folder: null, files, release: async () => undefined }
    },
  }
}

/** A pattern that means one path, whatever characters that has. */
function plainPattern(path: string): string {
  return path.replace(/[\\*?[\]{}()!+@|]/g, '\\$&')
}
