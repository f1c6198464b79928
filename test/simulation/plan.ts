import type { World } from './world.ts'

/** How often each fault strikes a call of the store; 0 to 1. */
export interface FaultRates {
  /** 503 before anything happened. */
  refused: number
  /** The request never arrives; the caller learns nothing. */
  lostRequest: number
  /** The request is done; its answer never arrives. */
  lostAnswer: number
  /** The caller has given up when the request arrives. */
  late: number
  /** A proxy sends the put twice and passes on the second answer. */
  repeated: number
  /** 409 for a conditional put that met another. */
  conflict409: number
  /** 429 for a second put of one key within a second. */
  throttled: number
  /** An answer that takes seconds. */
  slow: number
}

/** What one history is made of. A random part of all faults and operations each ("swarm testing", Groce et al. 2012). */
export interface HistoryPlan {
  readonly theme: (typeof themes)[number]
  readonly processCount: number
  readonly clientsPerProcess: number
  readonly operationsPerClient: number
  readonly keyCount: number
  readonly rates: FaultRates
  /** Chance, at each step of a process, that it dies there. */
  readonly crashRate: number
  readonly freezeRate: number
  /** Chance that a committer sleeps for hours between its upload and its manifest put. */
  readonly stallRate: number
  /** Chance that who makes, drops or restores a collection sleeps for hours between two of its puts. */
  readonly makerStallRate: number
  /** Chance that a reader sleeps for hours between a request that failed and its repetition; a twentieth of it between two that did not. */
  readonly readStallRate: number
  /** Processes whose wall clock jumps. */
  readonly jumpRate: number
  /** Each process's wall clock is off by up to this. */
  readonly skewMaxMs: number
  /** Whether the store tells its time. */
  readonly hasDate: boolean
  /** Reads of missing keys answer 403. */
  readonly refusesMissing: boolean
  /** Some process loses the right to read for a while. */
  readonly withdrawsRights: boolean
  /** Objects go as soon as the protocol allows: the strictest sweep there can be. */
  readonly sweepsAtGrace: boolean
  /** Chance of a pause of minutes or hours between two operations of a client. */
  readonly lullRate: number
  /** Two processes come from one image: what a process kept in memory about chance, both have. */
  readonly clones: boolean
  /** Every process creates the collection, not only the first. */
  readonly allCreate: boolean
  /** Chance, at each operation, that a client drops the collection and makes it again. */
  readonly dropRate: number
  readonly hasText: boolean
  readonly mergeFanIn: number
  /** What a process may keep of segments in memory. */
  readonly cacheBytes: number
  /** Weights of the operations that this history has. */
  readonly weights: Readonly<Record<OperationKind, number>>
}

export const operationKinds = ['put', 'put-if-absent', 'condition', 'patch', 'delete', 'delete-where', 'list', 'eventual-list', 'get', 'count', 'query', 'flush', 'merge', 'sweep', 'snapshot', 'read-snapshot', 'delete-snapshot', 'branch', 'drop-branch', 'restore', 'sweep-trash'] as const
export type OperationKind = (typeof operationKinds)[number]

export const graceMs = 3_600_000

export const noFaults: FaultRates = { refused: 0, lostRequest: 0, lostAnswer: 0, late: 0, repeated: 0, conflict409: 0, throttled: 0, slow: 0 }

/** What a history is about; each kind of race needs its own weather. */
const themes = ['mixed', 'mixed', 'ambiguous', 'ambiguous', 'sleepers', 'sleepers', 'sweepers', 'stalled', 'names', 'branches', 'branches'] as const

/** Operations on collections as wholes, which only histories about that have. */
const ofCollections: readonly OperationKind[] = ['branch', 'drop-branch', 'restore', 'sweep-trash']

export function drawPlan(world: World): HistoryPlan {
  const theme = world.pick(themes)
  const isQuiet = theme === 'mixed' && world.happens(0.2)
  const isBranching = theme === 'branches'
  const sleeps = theme === 'sleepers' || theme === 'sweepers' || theme === 'stalled' || isBranching
  const weights = {} as Record<OperationKind, number>
  for (const kind of operationKinds) weights[kind] = !ofCollections.includes(kind) && world.happens(0.75) ? world.between(0.2, 1) : 0
  weights.put += 0.5
  weights.list += 0.3
  if (theme === 'sweepers') for (const kind of ['flush', 'merge', 'sweep'] as const) weights[kind] = world.between(0.5, 1.5)
  // Committers sleep in the middle of their work while little else happens than sweeps.
  if (theme === 'stalled') for (const kind of operationKinds) weights[kind] = { put: 0.6, list: 0.3, delete: 0.2, merge: 1.2, sweep: 2, flush: 0.8, snapshot: 0.5, 'read-snapshot': 0.3, 'delete-snapshot': 0.2 }[kind as string] ?? (ofCollections.includes(kind) ? 0 : 0.02)
  if (isBranching) {
    for (const kind of ['flush', 'merge', 'sweep', 'snapshot', ...ofCollections] as const) weights[kind] = world.between(0.5, 1.5)
    for (const kind of ['read-snapshot', 'delete-snapshot'] as const) weights[kind] = world.between(0.2, 1)
  }
  const sweeps = theme === 'sweepers' || theme === 'stalled' || isBranching
  return {
    theme,
    processCount: 4 + world.below(2),
    clientsPerProcess: sleeps ? 2 : 1 + world.below(2),
    operationsPerClient: 4 + world.below(7),
    keyCount: world.pick([2, 4, 8]),
    rates: isQuiet ? noFaults : drawRates(world, theme),
    crashRate: isQuiet || world.happens(0.4) ? 0 : world.pick([0.001, 0.003, 0.006]),
    freezeRate: sleeps ? world.pick([0.004, 0.01]) : isQuiet || world.happens(0.4) ? 0 : world.pick([0.001, 0.003]),
    jumpRate: world.happens(0.2) ? 0.002 : 0,
    skewMaxMs: world.pick([0, 1000, 600_000]),
    hasDate: sweeps || world.happens(0.85),
    refusesMissing: world.happens(0.15),
    withdrawsRights: theme === 'mixed' && !isQuiet && world.happens(0.3),
    sweepsAtGrace: theme === 'sleepers' || ((!sweeps || isBranching) && world.happens(isBranching ? 0.2 : 0.4)),
    stallRate: theme === 'stalled' ? 0.4 : sweeps ? 0.05 : 0,
    makerStallRate: isBranching ? world.pick([0, 0.02, 0.1]) : 0,
    readStallRate: theme === 'sleepers' ? 0.1 : 0,
    lullRate: theme === 'stalled' ? 0.4 : theme === 'sweepers' ? 0.25 : sleeps ? world.pick([0.05, 0.15]) : world.happens(0.7) ? 0 : 0.05,
    clones: world.happens(0.3),
    allCreate: theme === 'names' || world.happens(0.2),
    dropRate: theme === 'names' ? 0.06 : isBranching ? world.pick([0, 0.02]) : 0,
    hasText: world.happens(0.15),
    mergeFanIn: theme === 'stalled' ? 2 : world.pick([2, 3, 4]),
    cacheBytes: world.pick([0, 4000, 1 << 20]),
    weights,
  }
}

function drawRates(world: World, theme: HistoryPlan['theme']): FaultRates {
  const level = theme === 'ambiguous' ? 0.04 : world.pick([0.01, 0.03, 0.06])
  const rates: FaultRates = { ...noFaults }
  for (const name of Object.keys(rates) as (keyof FaultRates)[]) if (world.happens(0.6)) rates[name] = level * world.between(0.3, 1.5)
  if (theme === 'names') rates.slow = Math.max(rates.slow, 0.1)
  if (theme === 'ambiguous') for (const name of ['late', 'conflict409', 'lostRequest'] as const) rates[name] = Math.max(rates[name], level)
  return rates
}
