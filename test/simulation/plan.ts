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
  readonly processCount: number
  readonly clientsPerProcess: number
  readonly operationsPerClient: number
  readonly keyCount: number
  readonly rates: FaultRates
  /** Chance, at each step of a process, that it dies there. */
  readonly crashRate: number
  readonly freezeRate: number
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
  readonly drops: boolean
  readonly hasText: boolean
  /** Weights of the operations that this history has. */
  readonly weights: Readonly<Record<OperationKind, number>>
}

export const operationKinds = ['put', 'put-if-absent', 'condition', 'patch', 'delete', 'delete-where', 'list', 'eventual-list', 'get', 'count', 'query', 'flush'] as const
export type OperationKind = (typeof operationKinds)[number]

export const graceMs = 3_600_000

export const noFaults: FaultRates = { refused: 0, lostRequest: 0, lostAnswer: 0, late: 0, repeated: 0, conflict409: 0, throttled: 0, slow: 0 }

export function drawPlan(world: World): HistoryPlan {
  const isQuiet = world.happens(0.12)
  const level = isQuiet ? 0 : world.pick([0.01, 0.03, 0.08])
  const rates: FaultRates = { ...noFaults }
  for (const name of Object.keys(rates) as (keyof FaultRates)[]) if (world.happens(0.6)) rates[name] = level * world.between(0.3, 1.5)
  const weights = {} as Record<OperationKind, number>
  for (const kind of operationKinds) weights[kind] = world.happens(0.75) ? world.between(0.2, 1) : 0
  weights.put += 0.5
  weights.list += 0.3
  return {
    processCount: 3 + world.below(3),
    clientsPerProcess: 1 + world.below(2),
    operationsPerClient: 6 + world.below(10),
    keyCount: world.pick([2, 4, 8]),
    rates,
    crashRate: isQuiet || world.happens(0.4) ? 0 : world.pick([0.001, 0.004, 0.01]),
    freezeRate: isQuiet || world.happens(0.4) ? 0 : world.pick([0.001, 0.004, 0.01]),
    jumpRate: world.happens(0.2) ? 0.002 : 0,
    skewMaxMs: world.pick([0, 1000, 600_000]),
    hasDate: world.happens(0.85),
    refusesMissing: world.happens(0.15),
    withdrawsRights: !isQuiet && world.happens(0.1),
    sweepsAtGrace: world.happens(0.6),
    lullRate: world.happens(0.5) ? 0 : world.pick([0.01, 0.05, 0.1]),
    clones: world.happens(0.3),
    allCreate: world.happens(0.3),
    drops: world.happens(0.15),
    hasText: world.happens(0.15),
    weights,
  }
}
