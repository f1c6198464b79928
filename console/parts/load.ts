import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'

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

/** Asks again every `ms` as long as something is under way; not while nobody looks. */
export function useReload(isUnderWay: boolean, ms: number, reload: () => void): void {
  useEffect(() => {
    if (!isUnderWay) return
    const timer = setInterval(() => document.hidden || reload(), ms)
    return () => clearInterval(timer)
  }, [isUnderWay, ms, reload])
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('unknown', error instanceof Error ? error.message : String(error), 0)
}
