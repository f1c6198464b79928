import { isWindlassError, messageOf } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import type { EngineCollection } from '../../src/engine/collection.ts'
import { Bucket } from './bucket.ts'
import { checkJournal } from './check-journal.ts'
import { checkManifests, SegmentReader } from './check-manifests.ts'
import { Client, printMetadata, printRow, type Stage } from './client.ts'
import { Journal } from './journal.ts'
import { checkLinearizability } from './linearizability.ts'
import { Model } from './model.ts'
import { lastSeqOf, Observer } from './observer.ts'
import { drawPlan, graceMs, noFaults, type HistoryPlan } from './plan.ts'
import { SimProcess } from './sim-process.ts'
import { lateMaxMs, type StoreSituation } from './sim-store.ts'
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
const stepsMax = 120_000
/** Visits of quiet maintenance: what is nested takes two for each that is inside. */
const visitsMax = 24

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
  readonly #models = new Map<string, Model>()
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
    this.#journal = new Journal(this.#world, (id) => this.#observer.lastSeq(id))
    const { rates, hasDate, refusesMissing } = this.#plan
    this.#situation = { world: this.#world, bucket: this.#bucket, rates, hasDate, refusesMissing, epochMs, orphanRate: 0.5, count, report: (problem) => void this.#problems.push(problem), operations: 0 }
    this.#stage = { world: this.#world, plan: this.#plan, journal: this.#journal, situation: this.#situation, ids: { next: 1 }, snapshots: [], branches: [], originOf: (id) => this.#observer.collections.get(id)?.origin ?? null }
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
      process.wake(world.now)
      process.bare.isReadRefused = () => false
    }
    for (const mustWork of [false, true]) {
      await this.#runAll(this.#slots.slice(0, 1).map((process) => [process, () => new Client(this.#stage, process).create()]))
      await this.#runAll(this.#slots.map((process) => [process, () => new Client(this.#stage, process).finish(mustWork)]))
    }
    // A merge in the background may learn only now that a request of long ago was lost; what it left is looked at below.
    await this.#runAll(this.#slots.map((process) => [process, () => process.database.close().catch(unlessUnavailable)]))
    // What is still on its way arrives before anybody looks.
    await this.#runAll(this.#slots.slice(0, 1).map((process) => [process, () => process.clock.sleep(lateMaxMs)]))
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
    if (plan.makerStallRate > 0 && /^(put .*(snapshots\/|trash\/|catalog\/|\/manifest)|delete ).*: (ok|conflict)$/.test(label) && world.happens(plan.makerStallRate)) {
      this.#situation.count('maker stalled')
      process.freeze(world.now, world.between(graceMs / 2, graceMs * 5), world.happens(0.3))
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
      const { retiredAt } = this.#observer.naming
      for (const [key, at] of retiredAt) {
        if (at + graceMs > world.now) continue
        this.#situation.count('swept')
        this.#bucket.delete(key, world.now, 'sweep')
        retiredAt.delete(key)
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
    const { collections } = this.#observer
    const { entries } = this.#journal
    const reader = new SegmentReader(this.#bucket)
    const truth = { collections, modelOf: (id: string) => this.#modelOf(id), hasDate: this.#plan.hasDate }
    for (const collection of collections.values()) {
      const model = this.#modelOf(collection.id)
      const initial = new Map([...model.at(model.first)].map(([key, row]) => [key, printMetadata(row.metadata)]))
      this.#problems.push(...checkJournal(entries, collection, truth))
      this.#problems.push(...checkLinearizability(entries, collection.id, initial))
      this.#problems.push(...(await checkManifests(collection, model, reader)))
    }
    const fresh = new SimProcess('fresh', this.#situation, { skewMs: 0, cacheBytes: 1 << 20, mergeFanIn: 4, random: this.#newRandom(), lastPut: this.#lastPut })
    await this.#runAll([[fresh, () => this.#recover(fresh)]])
  }

  /** The content of a collection after each commit; of a branch, on top of what it began as. The log must not grow any more. */
  #modelOf(id: string): Model {
    let model = this.#models.get(id)
    if (!model) {
      const { log, origin } = this.#observer.collections.get(id)!
      model = origin ? new Model(id, log, origin.seq, this.#modelOf(origin.id).at(origin.seq)) : new Model(id, log)
      this.#models.set(id, model)
    }
    return model
  }

  /** A process that knows nothing must find everything, and leave nothing that nobody needs. */
  async #recover(process: SimProcess): Promise<void> {
    const { observer, problems } = { observer: this.#observer, problems: this.#problems }
    const recovered: Recovered[] = []
    // Also names that a dead process left standing for what has ended: looking at them finishes that.
    for (const name of observer.names().keys()) {
      const collection = await process.database.collection(name).catch((error: unknown) => {
        if (!isWindlassError(error, 'not-found')) throw error
        return null
      })
      if (collection) recovered.push(await this.#recoverOne(name, collection))
    }
    if (!this.#plan.hasDate) return
    const isAlive = (name: string) => [process, ...this.#slots].some((each) => each.name === name)
    // Quiet maintenance leaves nothing that nobody names.
    for (let visit = 1; visit <= visitsMax && (visit <= 4 || observer.garbage(isAlive).length > 0); visit++) {
      for (const { collection } of recovered) await collection.sweep()
      await process.database.sweepTrash()
      await process.clock.sleep(graceMs * 1.2)
    }
    problems.push(...observer.garbage(isAlive).map((each) => `${each} after ${visitsMax} quiet visits`))
    for (const { collection, name, expected } of recovered) {
      const found = await listOf(collection)
      if (found !== expected) problems.push(`after sweeps ${name} holds ${found}, expected ${expected}`)
      for (const snapshot of this.#stage.snapshots) {
        if (snapshot.holder !== collection.id) continue
        const { rows } = await (await collection.openSnapshot(snapshot.name)).list({ limit: 500, include: { metadata: true } })
        if (rows.map(printRow).join('\n') !== this.#modelOf(collection.id).list(snapshot.seq)) problems.push(`snapshot ${snapshot.name} does not hold what commit ${snapshot.seq} left`)
      }
    }
  }

  async #recoverOne(name: string, collection: EngineCollection): Promise<Recovered> {
    const problems = this.#problems
    const model = this.#modelOf(collection.id)
    const expected = model.list(lastSeqOf(this.#observer.collections.get(collection.id)!))
    const found = await listOf(collection)
    if (found !== expected) problems.push(`recovery of ${name} finds ${found}, expected ${expected}`)
    const verified = await collection.verify().catch((error: unknown) => {
      // A collection with a sweep plan cannot be verified on a store that does not tell its time.
      if (this.#plan.hasDate || !isWindlassError(error, 'unsupported')) throw error
      return { problems: [] }
    })
    for (const { object, message } of verified.problems) problems.push(`verify of ${name}: ${object}: ${message}`)
    await collection.flush()
    if ((await listOf(collection)) !== expected) problems.push(`a flush changed the content of ${name}`)
    return { name, collection, expected }
  }

  #newRandom(): Random {
    const { processRandom } = this.#world
    return { next: () => processRandom.next(), bytes: (count) => processRandom.bytes(count) }
  }
}

interface Recovered {
  readonly name: string
  readonly collection: EngineCollection
  readonly expected: string
}

async function listOf(collection: EngineCollection): Promise<string> {
  return (await collection.list({ limit: 500, include: { metadata: true } })).rows.map(printRow).join('\n')
}

function unlessUnavailable(error: unknown): void {
  if (!isWindlassError(error, 'unavailable')) throw error
}
