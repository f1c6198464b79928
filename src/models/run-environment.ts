import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { isLeft, temporaryName } from '../store/temporary-files.ts'

const folderPrefix = 'windlass-run-'

/**
 * The environment of a program that takes its models from a hub at `endpoint`, and keeps what it caches in `folder`: what Hugging Face's
 * libraries, PyTorch, pyannote and SpeechBrain read. It is given no real token: the endpoint needs none.
 */
export function modelEnvironment(endpoint: string, folder: string): Record<string, string> {
  const hub = join(folder, 'huggingface/hub')
  return {
    HF_ENDPOINT: endpoint,
    HF_TOKEN: 'hf_windlass',
    HUGGING_FACE_HUB_TOKEN: 'hf_windlass',
    HF_HOME: join(folder, 'huggingface'),
    HF_HUB_CACHE: hub,
    HUGGINGFACE_HUB_CACHE: hub,
    TRANSFORMERS_CACHE: hub,
    SENTENCE_TRANSFORMERS_HOME: join(folder, 'sentence-transformers'),
    TORCH_HOME: join(folder, 'torch'),
    PYANNOTE_CACHE: join(folder, 'pyannote'),
    SPEECHBRAIN_CACHE: join(folder, 'speechbrain'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    // The endpoint is this machine: the program is not offline, whatever this process is.
    HF_HUB_OFFLINE: '0',
    TRANSFORMERS_OFFLINE: '0',
    // Its own protocol, past the endpoint.
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    // While the bucket is filled from the hub nothing may come for a while.
    HF_HUB_DOWNLOAD_TIMEOUT: '900',
    HF_HUB_ETAG_TIMEOUT: '60',
  }
}

/** A folder for one program's caches; those of dead processes are removed first. */
export async function makeRunFolder(parent: string, { clock, random }: { clock: Clock; random: Random }): Promise<{ folder: string; remove: () => Promise<void> }> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(folderPrefix)) continue
    const path = join(parent, name)
    if (await isLeft(path, name.slice(folderPrefix.length), clock.now())) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
  const folder = join(parent, `${folderPrefix}${await temporaryName(random)}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}
