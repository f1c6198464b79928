import { ApiError, pathOf, type Api } from '../api.ts'

export interface MapFieldInfo {
  readonly name: string
  readonly kind: 'text' | 'number'
  readonly values?: readonly { readonly value: string; readonly count: number }[]
  readonly least?: number
  readonly most?: number
}

export interface MapField extends MapFieldInfo {
  readonly codes: Uint8Array
}

export interface MapInfo {
  readonly version: string
  readonly pointCount: number
  readonly recordCount: number
  readonly madeAt: string
  readonly isCurrent: boolean
  readonly fields: readonly MapFieldInfo[]
}

export interface MapAnswer {
  readonly map: MapInfo | null
  readonly run: { readonly state: string; readonly part: string; readonly done: number } | null
  readonly error: string | null
}

/** A hit of a search, on the map where it is one of its points. */
export interface MapHit {
  readonly key: string
  readonly title: string
  readonly text: string
  /** -1: the map does not show it. */
  readonly point: number
}

export interface MapRecord {
  readonly key: string
  readonly title: string
  readonly text: string
}

interface RecordAnswer {
  readonly key: string
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly document?: string | null
}

const keysOfPage = 10_000
const recordsKept = 500
const hitsMax = 50

/** The points of one version of a map, and what is asked for about them. */
export class MapData {
  readonly info: MapInfo
  readonly positions: Uint16Array
  readonly fields: readonly MapField[]
  readonly #api: Pick<Api, 'get' | 'post'>
  readonly #path: string
  readonly #pages = new Map<number, Promise<readonly string[]>>()
  readonly #records = new Map<string, Promise<MapRecord>>()
  readonly #onStale: () => void
  #points: Promise<ReadonlyMap<string, number>> | null = null

  private constructor(api: Pick<Api, 'get' | 'post'>, path: string, onStale: () => void, info: MapInfo, positions: Uint16Array, fields: readonly MapField[]) {
    this.#api = api
    this.#path = path
    this.#onStale = onStale
    this.info = info
    this.positions = positions
    this.fields = fields
  }

  /** @param onStale Called where another map has taken the place of this one, of which nothing is told any more. @throws {ApiError} `conflict` then. */
  static async load(api: Pick<Api, 'get' | 'post'>, collection: string, info: MapInfo, { signal, onStale }: { signal: AbortSignal; onStale: () => void }): Promise<MapData> {
    const path = pathOf('v1', 'collections', collection)
    const points = await api.get<{ version: string; positions: string; fields: readonly { name: string; codes: string }[] }>(`${path}/map/points`, {}, signal)
    requireVersion(info.version, points.version, onStale)
    const codes = new Map(points.fields.map((field) => [field.name, field.codes]))
    const bytes = fromBase64(points.positions)
    const fields = info.fields.flatMap((field) => (codes.has(field.name) ? [{ ...field, codes: fromBase64(codes.get(field.name)!) }] : []))
    return new MapData(api, path, onStale, info, new Uint16Array(bytes.buffer), fields)
  }

  /** x, y of a point, 0 to 1. */
  placeOf(point: number): { x: number; y: number } {
    return { x: this.positions[point * 2]! / 65_535, y: this.positions[point * 2 + 1]! / 65_535 }
  }

  async keyOf(point: number): Promise<string> {
    const page = Math.floor(point / keysOfPage)
    return (await this.#page(page))[point - page * keysOfPage] ?? ''
  }

  /** What is told of a point. */
  async recordAt(point: number): Promise<MapRecord> {
    const key = await this.keyOf(point)
    let record = this.#records.get(key)
    if (!record) {
      if (this.#records.size >= recordsKept) this.#records.delete(this.#records.keys().next().value!)
      record = this.#api.get<RecordAnswer>(`${this.#path}/records/${encodeURIComponent(key)}`, { include: 'metadata,document' }).then(toRecord)
      this.#records.set(key, record)
      record.catch(() => this.#records.delete(key))
    }
    return record
  }

  /** The best answers to a question, best first. */
  async search(question: string, signal: AbortSignal): Promise<MapHit[]> {
    // Words alone where the question cannot be embedded as the records were.
    const [{ passages }, points] = await Promise.all([
      this.#api.post<{ passages: readonly { key: string; title?: string; source?: string; text: string }[] }>(`${this.#path}/search`, { query: question, k: hitsMax }, signal).catch((error: unknown) => {
        if (signal.aborted) throw error
        return this.#api.post<{ matches: readonly RecordAnswer[] }>(`${this.#path}/query`, { text: question, k: hitsMax }, signal).then(({ matches }) => ({ passages: matches.map(toRecord) as readonly (MapRecord & { source?: string })[] }))
      }),
      this.#pointsByKey(),
    ])
    return passages.map(({ key, title, source, text }) => ({ key, title: title ?? source ?? key, text, point: points.get(key) ?? -1 }))
  }

  #page(page: number): Promise<readonly string[]> {
    let keys = this.#pages.get(page)
    if (!keys) {
      keys = this.#api.get<{ version: string; keys: readonly string[] }>(`${this.#path}/map/keys`, { start: page * keysOfPage, limit: keysOfPage }).then((answer) => {
        requireVersion(this.info.version, answer.version, this.#onStale)
        return answer.keys
      })
      this.#pages.set(page, keys)
      keys.catch(() => this.#pages.delete(page))
    }
    return keys
  }

  #pointsByKey(): Promise<ReadonlyMap<string, number>> {
    this.#points ??= (async () => {
      const points = new Map<string, number>()
      for (let page = 0; page * keysOfPage < this.info.pointCount; page++) (await this.#page(page)).forEach((key, i) => points.set(key, page * keysOfPage + i))
      return points
    })()
    this.#points.catch(() => (this.#points = null))
    return this.#points
  }
}

// Points of one map and keys of another would name the wrong records.
function requireVersion(expected: string, found: string, onStale: () => void): void {
  if (found === expected) return
  onStale()
  throw new ApiError('conflict', 'the map was made anew meanwhile', 409)
}

function toRecord({ key, metadata = {}, document }: RecordAnswer): MapRecord {
  const title = [metadata['title'], metadata['name'], metadata['source']].find((value) => typeof value === 'string' && value !== '')
  const rest = Object.entries(metadata).map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  return { key, title: (title as string | undefined) ?? key, text: (document ?? rest.join(', ')).slice(0, 400) }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
