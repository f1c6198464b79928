import type { Edit } from './build.ts'

/** The engine with one rule of docs/protocol.md broken; the simulation must notice. */
export interface Mutant {
  readonly name: string
  /** The rule, as docs/protocol.md numbers it. */
  readonly rule: string
  readonly edits: readonly Edit[]
  /** A seed whose history catches it. Found by a search; search again when it does not any more. */
  readonly seed: number
}

const resolve = 'src/engine/commit/resolve.ts'
const writer = 'src/engine/commit/writer.ts'
const core = 'src/engine/core.ts'
const flush = 'src/engine/maintain/flush.ts'
const replaceManifest = 'src/engine/commit/replace-manifest.ts'
const nextManifest = 'src/engine/commit/next-manifest.ts'
const merge = 'src/engine/maintain/merge.ts'
const sweep = 'src/engine/maintain/sweep.ts'
const snapshots = 'src/engine/maintain/snapshots.ts'
const named = 'src/engine/maintain/named.ts'
const branch = 'src/engine/maintain/branch.ts'
const restore = 'src/engine/maintain/restore.ts'
const absence = 'src/store/listing-absence-store.ts'

export const mutants: readonly Mutant[] = [
  {
    name: 'manifest put without its condition',
    rule: 'the manifest is replaced by compare-and-swap',
    edits: [{ file: nextManifest, find: '{ condition: { ifMatch: base.etag } }', replace: '{}' }],
    seed: 4,
  },
  {
    name: 'log put without its condition',
    rule: 'a log number is taken once',
    edits: [{ file: writer, find: 'store.put(key, bytes, { condition: { ifAbsent: true } })', replace: 'store.put(key, bytes, {})' }],
    seed: 1,
  },
  {
    name: 'log number reused after 412',
    rule: 'who loses a number takes the next',
    edits: [{ file: writer, find: '>= record.seq) throw afterLongPause(record, key)\n      return false\n    }\n', replace: '>= record.seq) throw afterLongPause(record, key)\n      await store.put(key, attempt.bytes, { condition: { ifMatch: answer.etag } })\n      await this.#acknowledge(attempt, answer.date)\n      return true\n    }\n' }],
    seed: 1,
  },
  {
    name: 'nonce ignored: who finds its number taken thinks it won',
    rule: 'B2',
    edits: [{ file: writer, find: 'winner.nonce === record.nonce', replace: 'winner.seq === record.seq' }],
    seed: 1,
  },
  {
    name: '412 on the first attempt means lost',
    rule: 'B2',
    edits: [{ file: writer, find: 'winner.nonce === record.nonce', replace: 'winner.nonce === record.nonce && attempt.basis === null' }],
    seed: 1,
  },
  {
    name: 'nonce per process, which a clone has too',
    rule: 'B2',
    edits: [
      { file: writer, find: 'nonce: newNonce(random)', replace: 'nonce: nonceOf(random)' },
      {
        file: writer,
        find: 'function settleAll(',
        replace: 'const kept = new WeakMap<object, string>()\nfunction nonceOf(random: Parameters<typeof newNonce>[0]): string {\n  if (!kept.has(random)) kept.set(random, newNonce(random))\n  return kept.get(random)!\n}\n\nfunction settleAll(',
      },
    ],
    seed: 4,
  },
  {
    name: '409 with nobody there means swept',
    rule: 'B2: only the same bytes may go to a number again',
    edits: [{ file: writer, find: 'if ((await this.#floor(key)) < record.seq) return null', replace: 'if ((await this.#floor(key)) < 0) return null' }],
    seed: 197,
  },
  {
    name: 'n + 1 before n',
    rule: 'B3',
    edits: [
      { file: writer, find: '    await core.open()\n    await this.#settle()\n', replace: '    await core.open()\n' },
      { file: writer, find: 'const basis = core.verified\n      const seq = view.seq + 1\n', replace: 'const basis = core.verified\n      const seq = view.seq + (this.#unsettled ? 2 : 1)\n' },
    ],
    seed: 6,
  },
  {
    name: 'fence removed: an old view is not looked at again, before or after the put',
    rule: 'B1',
    edits: [
      { file: writer, find: 'if (core.isSuspect || core.viewAgeMs() > settings.graceMs / 4) {', replace: 'if (core.viewAgeMs() === Infinity) {' },
      { file: writer, find: 'if (storeDate === undefined || this.#ageOf(attempt, storeDate) > settings.graceMs / 2) {', replace: 'if (storeDate === undefined) {' },
    ],
    seed: 5,
  },
  {
    name: 'fence after the put removed',
    rule: 'B1',
    edits: [{ file: writer, find: 'if (storeDate === undefined || this.#ageOf(attempt, storeDate) > settings.graceMs / 2) {', replace: 'if (settings.graceMs < 0) {' }],
    seed: 274,
  },
  {
    name: 'what is acknowledged after a pause counts although it lies below the floor',
    rule: 'B1: floor >= n is outcome-unknown, never success',
    edits: [{ file: writer, find: 'if ((await this.#floor(key)) >= record.seq) {', replace: 'if ((await this.#floor(key)) < 0) {' }],
    seed: 555,
  },
  {
    name: 'a condition compares numbers, whatever log they are of',
    rule: 'B6: a version names its log',
    edits: [{ file: resolve, find: 'if (version !== condition.version) {', replace: 'if (version?.slice(9) !== condition.version?.slice(9)) {' }],
    seed: 1497,
  },
  {
    name: 'flush takes its floor after its rows',
    rule: 'replacing the manifest never changes content',
    edits: [{ file: flush, find: 'state, floor, floorTime: core', replace: 'state, floor: Math.max(floor, plan.view.seq), floorTime: core' }],
    seed: 1,
  },
  {
    name: 'flush drops a concurrent delete',
    rule: 'replacing the manifest never changes content',
    edits: [{ file: flush, find: '.filter(({ died }) => died.records + died.documents > 0)', replace: '.filter(({ died }) => died.records + died.documents > 1)' }],
    seed: 5,
  },
  {
    name: 'reader trusts a stale manifest',
    rule: 'A4: floor > t must be loaded first',
    edits: [{ file: core, find: 'if (changed && changed.manifest.floor > this.#view!.seq) await this.#replaceView(changed)', replace: 'if (changed && changed.manifest.floor > this.#view!.seq + 1000) await this.#replaceView(changed)' }, { file: core, find: 'else if (changed && changed.manifest.floor > base) return false', replace: 'else if (changed && changed.manifest.floor < 0) return false' }],
    seed: 1,
  },
  {
    name: 'the two answers of a read may lie hours apart',
    rule: 'A1',
    edits: [
      { file: core, find: 'if (isProven && ageMs(started, clock) <= settings.graceMs / 4) return', replace: 'if (isProven) return' },
      { file: core, find: 'if (ageMs(started, clock) > settings.graceMs / 4) return false', replace: '' },
    ],
    seed: 1095,
  },
  {
    name: 'probe joined in flight',
    rule: 'A2',
    edits: [{ file: 'src/engine/lane.ts', find: '  join(): Promise<Value> {\n', replace: '  join(): Promise<Value> {\n    if (this.#running) return this.#running\n' }],
    seed: 74,
  },
  {
    name: 'a gap in a window of the log is skipped',
    rule: 'A3: the first absence ends the prefix',
    edits: [
      { file: 'src/engine/commit/log.ts', find: '      if (!answer) return found\n      found.push(answer)\n    }\n', replace: '      if (answer) found.push(answer)\n    }\n    if (answers.some((answer) => !answer)) return found\n' },
      { file: core, find: 'else for (const commit of commits) if (commit.record.seq === this.#view!.seq + 1) await', replace: 'else for (const commit of commits) if (commit.record.seq > this.#view!.seq) await' },
      { file: 'src/engine/view.ts', find: 'if (record.seq !== this.seq + 1) throw', replace: 'if (record.seq <= this.seq) throw' },
    ],
    seed: 27,
  },
  {
    name: 'bitmap applied to the wrong segment',
    rule: 'a bitmap names its segment, and is refused elsewhere',
    edits: [{ file: flush, find: 'replaced.set(ref.id, { id', replace: 'replaced.set(manifest.segments[0]!.id, { id' }],
    seed: 5,
  },
  {
    name: '403 is absence although absence was 404',
    rule: 'F1',
    edits: [{ file: absence, find: "if (!isRefused(error) || this.#policy === 'get') throw error", replace: "if (!isRefused(error)) throw error\n      if (this.#policy === 'get') return null" }],
    seed: 19,
  },
  {
    name: 'acknowledged after dropped',
    rule: 'E3: nothing is put after an end',
    edits: [
      { file: core, find: '    if (!view.ended) return\n', replace: '    if (view.seq >= 0) return\n' },
      { file: 'src/engine/view.ts', find: "if (this.ended) throw new WindlassError('corrupt'", replace: "if (this.seq < 0) throw new WindlassError('corrupt'" },
    ],
    seed: 36,
  },
  {
    name: 'an end and a commit put side by side',
    rule: 'B3: one log put in flight per process and collection',
    edits: [{ file: writer, find: 'await this.#turns.run(() => this.#commitGroup(group))', replace: 'await this.#commitGroup(group)' }],
    seed: 73,
  },
  {
    name: 'equal manifest bytes: a nonce is used again',
    rule: 'D1',
    edits: [{ file: nextManifest, find: 'nonce: newNonce(random),', replace: 'nonce: manifest.pastNonces[0] ?? newNonce(random),' }],
    seed: 2,
  },
  {
    name: 'a name that somebody else took counts as ours',
    rule: 'the catalog nonce tells whose put won',
    edits: [{ file: 'src/engine/catalog.ts', find: 'if (now.entry?.nonce === nonce) return', replace: 'if (now.entry) return' }],
    seed: 9,
  },
  {
    name: 'catalog DELETE',
    rule: 'H1: a name is emptied, never deleted',
    edits: [{ file: 'src/engine/catalog.ts', find: 'await this.markDropped(id, name)\n    await this.#replace(name, id, () => new Uint8Array(0))', replace: 'await this.markDropped(id, name)\n    await this.#context.store.delete([catalogKey(name)])' }],
    seed: 4,
  },
  {
    name: 'a drop that died half-way leaves its name taken',
    rule: 'E3: who meets an end helps to finish',
    edits: [{ file: 'src/engine/database.ts', find: '      else await this.catalog.drop(name, id)\n', replace: '      else break\n' }],
    seed: 4,
  },
  {
    name: 'a failure after the put says that nothing was written',
    rule: 'an acknowledged failure is no failure',
    edits: [{ file: core, find: "      this.maintenanceError = messageOf(error)\n      this.#verified = null\n", replace: '      throw error\n' }],
    seed: 18,
  },
  {
    name: 'merge forgets the rows that died while it worked',
    rule: 'D2: the difference goes through the row map',
    edits: [{ file: merge, find: 'deadNow.andNot(dead[i]!).forEach((row) => void died.set(map[row]!))', replace: 'void map' }],
    seed: 5,
  },
  {
    name: 'merge replaces an input that is gone',
    rule: 'D2: a merge commits only if its inputs stand',
    edits: [{ file: merge, find: '    if (!now) return null\n', replace: '    if (!now) continue\n' }],
    seed: 76,
  },
  {
    name: 'a lost merge deletes its output',
    rule: 'C3: only the sweep deletes',
    edits: [
      { file: replaceManifest, find: '    const answer = await store.get(key, { fresh: true })\n', replace: '    await store.delete(next.segments.filter(({ id }) => !manifest.segments.some((old) => old.id === id)).map(({ id }) => `${core.prefix}segments/${id}.seg`))\n    const answer = await store.get(key, { fresh: true })\n' },
    ],
    seed: 1,
  },
  {
    name: 'grace of zero: a sweep deletes what it planned a moment ago',
    rule: 'C2: at least G between the two visits',
    edits: [
      { file: sweep, find: '  if (last && last.storeNow - last.putAt < settings.graceMs) return null\n', replace: '' },
      { file: sweep, find: 'const restMs = Math.max(settings.graceMs, settings.historyMs)', replace: 'const restMs = 0 * Math.max(settings.graceMs, settings.historyMs)' },
    ],
    seed: 5,
  },
  {
    name: 'no barrier at the second visit',
    rule: 'C2: the manifest is put again before anything is deleted',
    edits: [
      { file: sweep, find: 'const { isDone, standing } = await replaceManifest(core, base, { pins, sweep: { count: base.manifest.sweep.count + 1, id: plan.id } })', replace: 'const { isDone, standing } = { isDone: pins.length >= 0, standing: base }' },
      { file: sweep, find: 'standing.manifest.version !== base.manifest.version + 1) continue', replace: 'standing.manifest.version !== base.manifest.version) continue' },
      { file: sweep, find: 'putAt: timeOf(core, manifestKey, head.lastModified) }', replace: 'putAt: timeOf(core, manifestKey, head.date) }' },
    ],
    seed: 102,
  },
  {
    name: 'a committer that lost to a barrier names what the sweep deletes',
    rule: 'C2: one sweep later, what its plan lists is discarded',
    edits: [{ file: 'src/engine/commit/sweep-fence.ts', find: 'if (now.count === before.count) return', replace: 'if (now.count >= before.count) return' }],
    seed: 779,
  },
  {
    name: 'two sweeps later a committer looks at the last plan only',
    rule: 'C2: the count',
    edits: [{ file: 'src/engine/commit/sweep-fence.ts', find: 'if (now.count !== before.count + 1 || now.id === null) return new Set()', replace: 'if (now.id === null) return new Set()' }],
    seed: 1161,
  },
  {
    name: "the sweep goes by the process's clock",
    rule: "C2: no clock but the store's",
    edits: [
      { file: sweep, find: 'storeNow: timeOf(core, key, answer.date) }', replace: 'storeNow: core.context.clock.now() }' },
      { file: sweep, find: 'putAt: timeOf(core, manifestKey, head.lastModified) }', replace: 'putAt: core.context.clock.now() }' },
    ],
    seed: 7,
  },
  {
    name: 'what is named again is deleted all the same',
    rule: 'C2: delete what is still unnamed',
    edits: [{ file: sweep, find: 'isDue(each, barrier.putAt) && !isNamed(each.key, manifest, named)', replace: 'isDue(each, barrier.putAt)' }],
    seed: 17,
  },
  {
    name: 'a commit below the floor is deleted',
    rule: 'C2: a fence breach is never deleted',
    edits: [
      { file: sweep, find: 'const intact = await withoutBreaches(core, doomed, plan)', replace: 'const intact = doomed' },
      { file: sweep, find: ') breaches.add(seq)', replace: ' && seq < 0) breaches.add(seq)' },
    ],
    seed: 4,
  },
  {
    name: 'the sweep takes commits above the floor',
    rule: 'C2: log numbers <= floor',
    edits: [
      { file: sweep, find: 'if (seq > floor || breaches.has(seq)) continue', replace: 'if (seq > floor + 1 || breaches.has(seq)) continue' },
      { file: sweep, find: 'seq <= Math.min(last, manifest.floor); seq++', replace: 'seq <= last; seq++' },
    ],
    seed: 1,
  },
  {
    name: 'snapshot by plain put: it is acknowledged though its pin was lost',
    rule: 'E1: a snapshot is made real by a manifest put',
    edits: [{ file: snapshots, find: 'return isDone ? { ...pin, snapshot } : null', replace: 'return isDone || pin.seq >= 0 ? { ...pin, snapshot } : null' }],
    seed: 2,
  },
  {
    name: 'a snapshot does not keep the log that it needs',
    rule: 'E2: log F+1..t is pinned too',
    edits: [{ file: named, find: 'if (seq > manifest.floor) this.logs.push(', replace: 'if (seq > manifest.floor + 1000) this.logs.push(' }],
    seed: 7,
  },
  {
    name: 'the sweep does not look at pins',
    rule: 'E1: what snapshots name is not swept',
    edits: [{ file: named, find: 'if (!isNeeded) return', replace: 'if (pins.length >= 0) return' }],
    seed: 7,
  },
  {
    name: "a parent's sweep does not look at its branches",
    rule: "E4: sweeps follow the pin into the branch's manifest",
    edits: [{ file: named, find: "if (pin.kind !== 'branch') continue", replace: 'if (pin.seq >= 0) continue' }],
    seed: 4,
  },
  {
    name: 'what was dropped keeps nothing for its branches',
    rule: 'E4: a pin goes when nothing below it names anything above it',
    edits: [{ file: named, find: "if (pin.kind !== 'branch') continue", replace: "if (pin.kind !== 'branch' || state !== 'live') continue" }],
    seed: 4,
  },
  {
    name: 'a branch has a manifest before its parent knows of it',
    rule: 'E4: a branch is a pin at its parent, and then a manifest',
    edits: [
      { file: branch, find: 'import { PastCollection }', replace: "import { replaceManifest } from '../commit/replace-manifest.ts'\nimport { PastCollection }" },
      { file: snapshots, find: 'const { isDone } = await replaceManifest(core, base, { pins: [...base.manifest.pins, pin] })', replace: "const { isDone } = kind === 'branch' ? { isDone: true } : await replaceManifest(core, base, { pins: [...base.manifest.pins, pin] })" },
      {
        file: branch,
        find: '  // A sweep that had given it up may have removed',
        replace: '  for (let isDone = false; !isDone; ) {\n    const base = await core.readManifest()\n    const { name, id, seq, kind, createdAt } = pin\n    isDone = (await replaceManifest(core, base, { pins: [...base.manifest.pins, { name, id, seq, kind, createdAt }] })).isDone\n  }\n  // A sweep that had given it up may have removed',
      },
    ],
    seed: 67,
  },
  {
    name: 'a restored collection takes over no snapshots',
    rule: 'E3',
    edits: [{ file: restore, find: '{ pins: [...branches, ...pins], restores: undefined }', replace: '{ restores: undefined }' }],
    seed: 43,
  },
  {
    name: 'the snapshots of what a restore replaces go before it is finished',
    rule: 'E3',
    edits: [{ file: named, find: 'else if (isToReplace(holder, child)) isNeeded = true', replace: '' }],
    seed: 362,
  },
]
