import { isWindlassError, messageOf } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import { logKey } from '../../src/format/log-record.ts'
import { Bucket } from './bucket.ts'
import { checkJournal } from './check-journal.ts'
import { checkManifests } from './check-manifests.ts'
import { Client, collectionName, printRow, type Stage } from './client.ts'
import { Journal } from './journal.ts'
import { checkLinearizability } from './linearizability.ts'
import { Model } from './model.ts'
import { Observer } from './observer.ts'
import { drawPlan, graceMs, noFaults, type HistoryPlan } from './plan.ts'
import { SimProcess } from './sim-process.ts'
import type { StoreSituation } from './sim-store.ts'
import { World } from './world.ts'

/** What one history was, and what was wrong with it. */
export interface HistoryResult {
  readonly seed: number
  /** Of everything that happened, in order: equal for two runs of one seed. */
  readonly hash: string
  readonly problems: readonly string[]
  readonly bucketOperations: number
  readonly actors: number
  /** How often each fault and each race occurred. */
  readonly counts: ReadonlyMap<string, number>
}

const epochMs = 1_700_000_000_000
const stepsMax = 60_000

/** Runs the history of `seed` and checks it. @param onLine Gets the history, line by line. */
export async function runHistory(seed: number, onLine?: (line: string) => void): Promise<HistoryResult> {
  return new History(seed, onLine).run()
}

class History {
  readonly #world: World
  readonly #plan: HistoryPlan
  readonly #counts = new Map<string, number>()
  readonly #bucket = new Bucket()
  readonly #observer: Observer
  readonly #journal: Journal
  readonly #situation: StoreSituation
  readonly #stage: Stage
  readonly #slots: SimProcess[] = []
  readonly #problems: string[] = []
  readonly #lastPut = new Map<string, number>()
  #hash = 0x811c9dc5
  #running = 0
  #incarnations = 0
  #isOver = false

  constructor(seed: number, onLine?: (line: string) => void) {
    this.#world = new World(seed, (line) => {
      for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193)
      onLine?.(line)
    })
    this.#plan = drawPlan(this.#world)
    onLine?.(JSON.stringify(this.#plan))
    const count = (name: string) => void this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    this.#observer = new Observer(this.#bucket, count, this.#plan.sweepsAtGrace)
    this.#journal = new Journal(this.#world, (id) => this.#observer.logLength(id))
    const { rates, hasDate, refusesMissing } = this.#plan
    this.#situation = { world: this.#world, bucket: this.#bucket, rates, hasDate, refusesMissing, epochMs, orphanRate: 0.5, count, report: (problem) => void this.#problems.push(problem), operations: 0 }
    this.#stage = { world: this.#world, plan: this.#plan, journal: this.#journal, situation: this.#situation, ids: { next: 1 }, snapshots: [] }
  }

  async run(): Promise<HistoryResult> {
    const { seed } = this.#world
    try {
      await this.#play()
      await this.#check()
    } catch (error) {
      this.#problems.push(error instanceof Error ? String(error.stack) : messageOf(error))
    }
    const problems = [...this.#observer.problems, ...this.#problems]
    const counts = this.#counts
    return { seed, hash: (this.#hash >>> 0).toString(16), problems, bucketOperations: this.#situation.operations, actors: this.#incarnations, counts }
  }

  async #play(): Promise<void> {
    const world = this.#world
    const plan = this.#plan
    const image = this.#newRandom()
    for (let slot = 0; slot < plan.processCount; slot++) this.#start(slot, plan.clones && slot < 2 ? image : this.#newRandom())
    if (plan.sweepsAtGrace) this.#sweepLater()
    world.beforeStep = (owner, label) => this.#meddle(owner as SimProcess, label)
    await world.run(() => this.#running === 0, stepsMax)
    // The storm is over: everybody wakes up on a quiet network, and everything must work.
    this.#isOver = true
    this.#situation.rates = noFaults
    for (const process of this.#slots) {
      process.frozenUntil = -1
      process.bare.isReadRefused = () => false
    }
    await this.#runAll(this.#slots.slice(0, 1).map((process) => [process, () => new Client(this.#stage, process).create()]))
    await this.#runAll(this.#slots.map((process) => [process, () => new Client(this.#stage, process).finish()]))
    await this.#runAll(this.#slots.map((process) => [process, () => process.database.close()]))
  }

  #start(slot: number, random: Random): void {
    const world = this.#world
    const plan = this.#plan
    const process = new SimProcess(`p${slot}.${this.#incarnations++}`, this.#situation, {
      skewMs: world.between(-plan.skewMaxMs, plan.skewMaxMs),
      cacheBytes: plan.cacheBytes,
      mergeFanIn: plan.mergeFanIn,
      random,
      lastPut: this.#lastPut,
    })
    this.#slots[slot] = process
    if (plan.withdrawsRights && slot === 0) {
      const from = world.now + world.between(0, 2000)
      const until = from + world.between(100, 3000)
      process.bare.isReadRefused = () => !this.#isOver && world.now >= from && world.now < until
    }
    const done = () => {
      if (!process.isAlive) return
      this.#running--
      process.clientsLeft--
    }
    for (let i = 0; i < plan.clientsPerProcess; i++) {
      this.#running++
      process.clientsLeft++
      world.schedule(world.between(0, 20), process, 'client starts', () => {
        void new Client(this.#stage, process).run(slot === 0 && i === 0).then(
          done,
          (error: unknown) => {
            done()
            this.#problems.push(`client of ${process.name}: ${error instanceof Error ? error.stack : messageOf(error)}`)
          },
        )
      })
    }
  }

  /** Before each step of a process: it may die, sleep, or find its clock set. */
  #meddle(process: SimProcess, label: string): void {
    const world = this.#world
    const plan = this.#plan
    if (this.#isOver) return
    if (plan.stallRate > 0 && /^put .*(segments|manifests)\/.*: (ok|conflict)$/.test(label) && world.happens(plan.stallRate)) {
      this.#situation.count('committer stalled')
      process.freeze(world.now, world.between(graceMs, graceMs * 5), world.happens(0.3))
      return
    }
    if (plan.readStallRate > 0 && /^get .*(manifest|log\/\d+) .*: (ok|unavailable)$/.test(label) && world.happens(label.endsWith('ok') ? plan.readStallRate / 20 : plan.readStallRate)) {
      this.#situation.count('reader stalled')
      process.freeze(world.now, world.between(graceMs, graceMs * 3), world.happens(0.3))
      return
    }
    // Where an answer is bad, or a write is under way, most is at stake.
    const dice = world.random.next() / (/^put|: (unavailable|outcome-unknown|conflict)$/.test(label) ? 5 : 1)
    if (dice < plan.crashRate && this.#incarnations < 20) {
      this.#situation.count('crash')
      world.trace(`${process.name} crashes`)
      process.crash()
      this.#running -= process.clientsLeft
      this.#start(this.#slots.indexOf(process), this.#newRandom())
    } else if (dice < plan.crashRate + plan.freezeRate) {
      this.#situation.count('freeze')
      const ms = world.happens(0.5) ? world.between(100, 60_000) : world.between(graceMs / 8, graceMs * 3)
      if (ms > graceMs) this.#situation.count('freeze past the grace period')
      process.freeze(world.now, ms, world.happens(0.3))
    } else if (dice < plan.crashRate + plan.freezeRate + plan.jumpRate) {
      this.#situation.count('clock jump')
      process.clock.skewMs += world.between(-2, 2) * graceMs
    }
  }

  /** Removes what the strictest sweep may: what was named and is not any more, one grace period later. */
  #sweepLater(): void {
    const world = this.#world
    world.schedule(world.between(graceMs / 30, graceMs / 6), null, 'sweep', () => {
      for (const { id, retiredAt } of this.#observer.collections.values()) {
        for (const [key, at] of retiredAt) {
          if (at + graceMs > world.now) continue
          this.#situation.count('swept')
          this.#bucket.delete(`data/${id}/${key}`, world.now, 'sweep')
          retiredAt.delete(key)
        }
      }
      if (!this.#isOver) this.#sweepLater()
    })
  }

  async #runAll(tasks: readonly [SimProcess, () => Promise<unknown>][]): Promise<void> {
    let left = tasks.length
    for (const [process, task] of tasks) {
      this.#world.schedule(0, process, 'last task', () => {
        task().then(
          () => left--,
          (error: unknown) => {
            left--
            this.#problems.push(`at the end: ${error instanceof Error ? error.stack : messageOf(error)}`)
          },
        )
      })
    }
    await this.#world.run(() => left === 0, stepsMax)
    if (left > 0) this.#problems.push(`at the end ${left} of ${tasks.length} tasks wait for ever`)
  }

  async #check(): Promise<void> {
    this.#problems.push(...this.#observer.unreachable())
    for (const collection of this.#observer.collections.values()) {
      const model = new Model(collection.log)
      this.#problems.push(...checkJournal(this.#journal.entries, collection, model))
      this.#problems.push(...checkLinearizability(this.#journal.entries, collection.id))
      this.#problems.push(...(await checkManifests(collection, model, this.#bucket)))
    }
    const fresh = new SimProcess('fresh', this.#situation, { skewMs: 0, cacheBytes: 1 << 20, mergeFanIn: 4, random: this.#newRandom(), lastPut: this.#lastPut })
    await this.#runAll([[fresh, () => this.#recover(fresh)]])
  }

  /** A process that knows nothing must find everything. */
  async #recover(process: SimProcess): Promise<void> {
    const collection = await process.database.collection(collectionName)
    const { log, breaches } = this.#observer.collections.get(collection.id)!
    const model = new Model(log)
    const list = async () => (await collection.list({ limit: 500, include: { metadata: true } })).rows.map((row) => `${row.key}@${row.version}`).join('\n')
    const expected = model.list(log.length).split('\n').map((line) => line.split('=')[0]).join('\n')
    if ((await list()) !== expected) this.#problems.push(`recovery finds ${await list()}, expected ${expected}`)
    const { problems } = await collection.verify().catch((error: unknown) => {
      // A collection with a sweep plan cannot be verified on a store that does not tell its time.
      if (this.#plan.hasDate || !isWindlassError(error, 'unsupported')) throw error
      return { problems: [] }
    })
    // A commit below the floor is not part of the collection; that verify shows it is right (docs/protocol.md, C2).
    const isBreach = (object: string) => breaches.some(({ seq }) => object.endsWith(logKey(seq)))
    for (const { object, message } of problems) if (!isBreach(object)) this.#problems.push(`verify: ${object}: ${message}`)
    await collection.flush()
    if ((await list()) !== expected) this.#problems.push('a flush changed the content')
    if (!this.#plan.hasDate) return
    // Quiet maintenance leaves nothing that nobody names.
    for (let visit = 1; visit <= 4; visit++) {
      await collection.sweep()
      await process.clock.sleep(graceMs * 1.2)
    }
    this.#problems.push(...this.#observer.garbageOf(collection.id))
    for (const { name, seq, collectionId } of this.#stage.snapshots) {
      if (collectionId !== collection.id) continue
      const { rows } = await (await collection.openSnapshot(name)).list({ limit: 500, include: { metadata: true } })
      if (rows.map(printRow).join('\n') !== model.list(seq)) this.#problems.push(`snapshot ${name} does not hold what commit ${seq} left`)
    }
    if ((await list()) !== expected) this.#problems.push('a sweep changed the content')
  }

  #newRandom(): Random {
    const { processRandom } = this.#world
    return { next: () => processRandom.next(), bytes: (count) => processRandom.bytes(count) }
  }
}
