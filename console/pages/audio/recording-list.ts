import type { Api } from '../../api.ts'
import { isUnderWay } from './places.ts'
import type { Recording } from './recording-types.ts'

interface Page {
  readonly after: string | undefined
  readonly recordings: readonly Recording[]
  readonly next?: string
}

export interface ListedRecordings {
  /** In the order they were added. */
  readonly recordings: readonly Recording[]
  /** Whether there are newer ones, which were not asked for. */
  readonly hasMore: boolean
}

const recordingsOfPage = 1000
/** Pages that are asked for at first, and each time that more are wanted. */
export const pagesAtOnce = 10

/** All recordings, page by page: the oldest come first, so that the newest are found only at the end. */
export class RecordingList {
  readonly #api: Pick<Api, 'get'>
  #pages: readonly Page[] = []
  #pagesMax = pagesAtOnce
  #round = 0

  constructor(api: Pick<Api, 'get'>) {
    this.#api = api
  }

  /** From now on more is asked for. */
  extend(): void {
    this.#pagesMax += pagesAtOnce
  }

  /** Everything is asked for again next time. */
  forget(): void {
    this.#pages = []
    this.#round++
  }

  /** What is done stays as it was until it is forgotten: asked for are pages on which something is under way, and the last. */
  async read(signal: AbortSignal): Promise<ListedRecordings> {
    const round = this.#round
    const pages: Page[] = []
    for (let after: string | undefined; pages.length < this.#pagesMax; ) {
      const known = this.#pages[pages.length]
      const isSettled = known?.after === after && known?.next !== undefined && !known.recordings.some(({ state }) => isUnderWay(state))
      const page: Page = isSettled ? known : { after, ...(await this.#api.get<Omit<Page, 'after'>>('/v1/audio', { limit: recordingsOfPage, after }, signal)) }
      pages.push(page)
      after = page.next
      if (after === undefined) break
    }
    // What was begun before everything was forgotten is not to be kept.
    if (round === this.#round) this.#pages = pages
    return { recordings: pages.flatMap(({ recordings }) => recordings), hasMore: pages.at(-1)!.next !== undefined }
  }
}
