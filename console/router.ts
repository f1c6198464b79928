import { useEffect, useState } from 'preact/hooks'

/** Where the console is: the part of the address behind `#`. */
export interface Place {
  readonly page: string
  /** What comes after the page: a collection, or nothing. */
  readonly parts: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

export function parsePlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?')
  const [page = '', ...parts] = path.split('/').filter((part) => part !== '').map(decode)
  return { page: page === '' ? 'search' : page, parts, query: Object.fromEntries(new URLSearchParams(search)) }
}

/** @returns An address for `href`; values that are empty are left out. */
export function hrefOf(page: string, parts: readonly string[] = [], query: Readonly<Record<string, string | undefined>> = {}): string {
  const entries = Object.entries(query).flatMap(([name, value]): [string, string][] => (value ? [[name, value]] : []))
  const search = entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`
  return `#/${[page, ...parts].map(encodeURIComponent).join('/')}${search}`
}

export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const change = () => setHash(location.hash)
    addEventListener('hashchange', change)
    return () => removeEventListener('hashchange', change)
  }, [])
  return parsePlace(hash)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
