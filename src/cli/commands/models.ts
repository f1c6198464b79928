import { toIsoTime } from '../../base/clock.ts'
import { errorPolicies, WindlassError } from '../../base/errors.ts'
import { modelStoreSettings } from '../../config/load.ts'
import { listModels, pruneModels, pushFolder, removeModel, verifyModels } from '../../models/manage-models.ts'
import { chooseFiles, type ModelStore } from '../../models/model-store.ts'
import { openModelStore } from '../../models/open-model-store.ts'
import { parseModelName } from '../../models/repository.ts'
import { tellEvent } from '../model-store.ts'
import { startProgress } from '../progress.ts'
import { configure, print, type Flags } from '../run.ts'
import { countText, sizeText } from '../text.ts'

/** Flags of the commands; patterns may be given several times. */
export type ModelFlags = Flags & { readonly include?: string[]; readonly exclude?: string[] }

/** Opens the configured store for `task`, waits until the bucket has what was fetched, and closes it. */
async function withModels(flags: Flags, task: (store: ModelStore) => Promise<void>, { isDiskless = false }: { isDiskless?: boolean } = {}): Promise<void> {
  const settings = modelStoreSettings(configure(flags))
  const store = await openModelStore({ ...settings, ...(isDiskless && { folder: null }) }, { onEvent: tellEvent })
  try {
    await task(store)
  } finally {
    await store.close()
  }
}

const choiceOf = ({ include, exclude }: ModelFlags) => ({ ...(include && { include }), ...(exclude && { exclude }) })

/** `windlass models pull`: into the bucket, and onto this disk unless told otherwise. */
export async function pullModels(names: readonly string[], flags: ModelFlags): Promise<void> {
  const isDiskless = flags.disk === false
  await withModels(
    flags,
    async (store) => {
      for (const name of names) {
        const progress = startProgress({ isTerminal: process.stderr.isTTY })
        try {
          const refresh = flags.refresh === true
          if (isDiskless) await fillOnly(store, name, flags, progress.update.bind(progress))
          else {
            const model = await store.use(name, { ...choiceOf(flags), refresh, onProgress: ({ filesDone, filesTotal, bytesDone }) => progress.update(filesDone, filesTotal, bytesDone, true) })
            await model.release()
          }
          await store.settled()
        } finally {
          progress.stop()
        }
        tellPulled(await store.resolve(name), store, flags)
      }
    },
    { isDiskless },
  )
}

async function fillOnly(store: ModelStore, name: string, flags: ModelFlags, update: (done: number, total: number, bytes: number, isCounted: boolean) => void): Promise<void> {
  const manifest = await store.resolve(name, { refresh: flags.refresh === true })
  const files = chooseFiles(manifest, choiceOf(flags))
  let [done, bytes] = [0, 0]
  for (const file of files) {
    await store.fill(manifest, file.path)
    bytes += file.sizeBytes
    update(++done, files.length, bytes, true)
  }
}

function tellPulled({ repository, commit, files }: Awaited<ReturnType<ModelStore['resolve']>>, store: ModelStore, flags: Flags): void {
  const { fetchedBytes, fetchedFiles } = store.tiers.journal
  if (flags.json) print(JSON.stringify({ repository, commit, fetchedFiles, fetchedBytes }))
  else print(`${repository} at ${commit.slice(0, 12)}: ${countText(files.length, 'file')}; fetched so far ${sizeText(fetchedBytes.hub)} from the hub, ${sizeText(fetchedBytes.bucket)} from the bucket, ${sizeText(fetchedBytes.disk)} found on this disk`)
}

/** `windlass models push`. */
export async function pushModel(folder: string, name: string, flags: Flags): Promise<void> {
  await withModels(flags, async (store) => {
    const manifest = await pushFolder(store, folder, parseModelName(name), (path, bytes) => void process.stderr.write(`${path}: ${sizeText(bytes)}\n`))
    const bytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    print(flags.json ? JSON.stringify({ repository: manifest.repository, commit: manifest.commit, files: manifest.files.length, bytes }) : `${name} at ${manifest.commit.slice(0, 12)}: ${countText(manifest.files.length, 'file')}, ${sizeText(bytes)}`)
  })
}

/** `windlass models ls`. */
export async function listStored(flags: Flags): Promise<void> {
  await withModels(flags, async (store) => {
    const models = await listModels(store)
    if (flags.json) return print(JSON.stringify(models, null, 2))
    if (models.length === 0) return print('no models')
    for (const { repository, commit, revisions, origin, filesTotal, filesInBucket, bytesTotal, bytesInBucket, bytesOnDisk, usedAtMs } of models) {
      const disk = bytesOnDisk === 0 ? 'nothing on this disk' : `${sizeText(bytesOnDisk)} on this disk, used ${toIsoTime(usedAtMs ?? 0).slice(0, 16)}`
      print(`${repository}  ${commit.slice(0, 12)} ${revisions.join(', ')}  ${filesInBucket} of ${filesTotal} files, ${sizeText(bytesInBucket)} of ${sizeText(bytesTotal)} in the bucket; ${disk}; from ${origin}`)
    }
  })
}

/** `windlass models verify`; damage that stays is an error. */
export async function verifyStored(name: string | undefined, flags: Flags): Promise<void> {
  await withModels(flags, async (store) => {
    const report = await verifyModels(store, { ...(name !== undefined && { repository: parseModelName(name).repository }), repair: flags.repair === true })
    if (flags.json) print(JSON.stringify(report, null, 2))
    else {
      for (const { repository, path, message, isRepaired } of report.damage) print(`${repository}/${path}: ${message}${isRepaired ? ' (repaired)' : ''}`)
      print(`${countText(report.filesChecked, 'file')}, ${sizeText(report.bytesChecked)}: ${report.damage.length === 0 ? 'all as they should be' : `${report.damage.length} damaged`}`)
    }
    if (report.damage.some(({ isRepaired }) => !isRepaired)) process.exitCode = errorPolicies.corrupt.exitCode
  })
}

/** `windlass models rm`. */
export async function removeStored(name: string, flags: Flags): Promise<void> {
  const { repository, revision } = parseModelName(name)
  if (name.includes('@')) throw new WindlassError('invalid', `a model is removed with all its commits: name ${repository} without @${revision}`, { path: 'model' })
  await withModels(flags, async (store) => {
    const { filesRemoved, bytesRemoved } = await removeModel(store, repository)
    print(`${repository}: ${countText(filesRemoved, 'file')} removed, ${sizeText(bytesRemoved)}`)
  })
}

/** `windlass models prune`. */
export async function pruneStored(flags: Flags): Promise<void> {
  await withModels(flags, async (store) => {
    const { diskBytes, bucketFiles, bucketBytes } = await pruneModels(store, { isLocalOnly: flags.local === true })
    print(`${sizeText(diskBytes)} freed on this disk, ${countText(bucketFiles, 'object')} (${sizeText(bucketBytes)}) in the bucket`)
  })
}
