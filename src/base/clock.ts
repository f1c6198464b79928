import { WindlassError } from './errors.ts'

/** The only way to time: injected, so that the simulation can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. May jump. */
  now(): number
  /** Milliseconds that never go back, from an arbitrary start. */
  monotonic(): number
  /** Resolves after `ms`. @throws {WindlassError} `cancelled` when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. A sleep does not keep a process alive that has nothing else to do. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const cancelled = () => {
        clearTimeout(timer)
        reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal?.reason }))
      }
      if (signal?.aborted) {
        reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal.reason }))
        return
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', cancelled)
        resolve()
      }, ms)
      signal?.addEventListener('abort', cancelled, { once: true })
    }),
}

/** Runs `task` once after `ms` unless stopped; the timer does not keep the process alive. */
export function startTimer(ms: number, task: () => void): { stop(): void } {
  const timer = setTimeout(task, ms)
  ;(timer as { unref?: () => void }).unref?.()
  return { stop: () => clearTimeout(timer) }
}

/** Milliseconds since 1970 as ISO 8601 in UTC. */
export function toIsoTime(ms: number): string {
  return new Date(ms).toISOString()
}
