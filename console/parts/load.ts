import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'
import { pauseMs } from './pause.ts'

/** Something that is asked for; an earlier value stays while it is asked for again. */
export interface Loaded<Value> {
  readonly value: Value | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  reload(): void
}

/** Asks when `inputs` change; what an earlier asking finds is dropped. */
export function useLoad<Value>(load: (signal: AbortSignal) => Promise<Value>, inputs: readonly unknown[]): Loaded<Value> {
  const [state, setState] = useState<{ value?: Value; error?: ApiError; isLoading: boolean; key: string }>({ isLoading: true, key: '' })
  const [round, setRound] = useState(0)
  const key = JSON.stringify(inputs)
  const current = useRef(load)
  current.current = load
  useEffect(() => {
    const ending = new AbortController()
    setState((before) => ({ ...(before.key === key && before.value !== undefined && { value: before.value }), isLoading: true, key }))
    current.current(ending.signal).then(
      (value) => !ending.signal.aborted && setState({ value, isLoading: false, key }),
      (error: unknown) => {
        if (!ending.signal.aborted) setState((before) => ({ ...(before.value !== undefined && { value: before.value }), error: asApiError(error), isLoading: false, key }))
      },
    )
    return () => ending.abort()
  }, [key, round])
  const reload = useCallback(() => setRound((n) => n + 1), [])
  // In the frame in which inputs change, what is there is of the old ones.
  const isOld = state.key !== key
  return { value: isOld ? undefined : state.value, error: isOld ? undefined : state.error, isLoading: isOld || state.isLoading, reload }
}

/**
 * Asks again as long as something is under way: a pause after each answer, at first of `ms`, and longer each time that nothing has changed;
 * not while nobody looks. @param progress Another text where what is under way has come further.
 */
export function useReload({ value, error, isLoading, reload }: Loaded<unknown>, isUnderWay: boolean, ms: number, progress: string): void {
  const pauses = useRef({ progress: '', count: 0 })
  useEffect(() => {
    // While an answer is on its way no other is asked for: that would end the asking before it was answered.
    if (!isUnderWay || isLoading) return
    if (pauses.current.progress !== progress) pauses.current = { progress, count: 0 }
    const look = () => (document.hidden ? document.addEventListener('visibilitychange', look, { once: true }) : reload())
    const timer = setTimeout(look, pauseMs(ms, pauses.current.count++))
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [value, error, isUnderWay, isLoading, ms, progress, reload])
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('unknown', error instanceof Error ? error.message : String(error), 0)
}
