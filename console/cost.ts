/** Prices of a store, in US dollars. */
export interface Prices {
  /** A GB (10^9 bytes) kept for a month. */
  readonly storagePerGbMonth: number
  /** A thousand requests that write or list. */
  readonly writesPerThousand: number
  /** A thousand requests that read. */
  readonly readsPerThousand: number
}

/** S3 Standard in us-east-1, first 50 TB, as of the date below; other stores and regions differ, and the console lets them be changed. */
export const defaultPrices: Prices = { storagePerGbMonth: 0.023, writesPerThousand: 0.005, readsPerThousand: 0.0004 }
export const pricesDate = '2025-11'

export interface CostEstimate {
  /** Dollars a month for what is stored now. */
  readonly storage: number
  /** Dollars a month for a million records of the size that these have; null where there are none. */
  readonly storagePerMillion: number | null
  /** Dollars a month for the requests of `queriesPerDay`. */
  readonly requests: number
}

const bytesPerGb = 1e9
const daysPerMonth = 30.4

/** @param requestsPerQuery Reads of the bucket that a query made. */
export function estimateCost({ sizeBytes, recordCount, queriesPerDay, requestsPerQuery }: { sizeBytes: number; recordCount: number; queriesPerDay: number; requestsPerQuery: number }, prices: Prices): CostEstimate {
  const storage = (sizeBytes / bytesPerGb) * prices.storagePerGbMonth
  return {
    storage,
    storagePerMillion: recordCount === 0 ? null : (storage / recordCount) * 1e6,
    requests: ((queriesPerDay * daysPerMonth * requestsPerQuery) / 1000) * prices.readsPerThousand,
  }
}
