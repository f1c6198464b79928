import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Api } from '../api.ts'

/** What every page is given. */
export interface Console {
  readonly api: Api
  /** Says what happened, for eyes and for screen readers. */
  notify(message: string, kind?: 'done' | 'wrong'): void
}

export const ConsoleContext = createContext<Console | null>(null)

export function useConsole(): Console {
  return useContext(ConsoleContext)!
}
