import type { Random } from '../../../src/base/random.ts'

/**
 * What goes wrong with a request:
 * - `status`: an error is answered instead, and nothing happens;
 * - `cut`: the connection is cut before anything happens;
 * - `lost`: it happens, and the connection is cut instead of an answer;
 * - `lost-status`: it happens, and an error is answered;
 * - `stall`: it never answers.
 */
export type FaultKind = 'status' | 'cut' | 'lost' | 'lost-status' | 'stall'

export interface Fault {
  readonly kind: FaultKind
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

interface PlannedFault extends Fault {
  readonly pattern: RegExp
  left: number
}

/** What is to go wrong: planned faults first, then by chance. */
export class Faults {
  readonly #planned: PlannedFault[] = []
  readonly #regular: { pattern: RegExp; fault: Fault; every: number; seen: number }[] = []
  #rates: Partial<Record<FaultKind, number>> = {}
  #random: Random | null = null

  /** The next `times` requests whose `METHOD /path` matches fail so. */
  plan(pattern: RegExp, fault: Fault, times = 1): void {
    this.#planned.push({ pattern, ...fault, left: times })
  }

  /** From now on every `every`th request whose `METHOD /path` matches fails so. */
  repeat(every: number, pattern: RegExp, fault: Fault): void {
    this.#regular.push({ pattern, fault, every, seen: 0 })
  }

  /** From now on each request fails with these probabilities. */
  scatter(random: Random, rates: Partial<Record<FaultKind, number>>): void {
    this.#random = random
    this.#rates = rates
  }

  /** The fault of this request, used up by asking. */
  next(request: string): Fault | null {
    const planned = this.#planned.find((fault) => fault.left > 0 && fault.pattern.test(request))
    if (planned) {
      planned.left--
      return planned
    }
    for (const rule of this.#regular) if (rule.pattern.test(request) && ++rule.seen % rule.every === 0) return rule.fault
    for (const [kind, rate] of Object.entries(this.#rates)) if (this.#random && this.#random.next() < rate) return { kind: kind as FaultKind }
    return null
  }
}
