/** A name of a key that can be told from another, and is of no use: `AKIA…WXYZ`. */
export function maskKeyId(id: string): string {
  return id.length < 16 ? `${id.slice(0, 2)}…` : `${id.slice(0, 4)}…${id.slice(-4)}`
}
