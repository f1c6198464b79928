import type { ProjectionRows } from './projection-rows.ts'

/** How well a map keeps neighbours, over rows that were asked for. */
export interface MapQuality {
  /** Share of the 10 nearest rows that are among the 10 nearest on the map. */
  readonly nearest10: number
  /** Share of the 10 nearest rows that are among the 50 nearest on the map. */
  readonly nearest50: number
  /** 1: who is near on the map is near; 0.5: by chance (Venna & Kaski, "Neighborhood preservation in nonlinear projection methods", 2001), of 10 neighbours. */
  readonly trustworthiness: number
}

const near = 10
const wide = 50

/** Measures a map against exact neighbours. @param rows In the order of `positions`. @param asked Rows whose neighbourhoods are looked at. */
export function measureMap(rows: ProjectionRows, positions: Float32Array, asked: readonly number[]): MapQuality {
  const { heap, count, padded } = rows
  const norms = rows.norms()
  const out = heap.allocate(count * 4)
  const distances = new Float64Array(count)
  const flat = new Float64Array(count)
  let [nearest10, nearest50, intruding] = [0, 0, 0]
  for (const row of asked) {
    heap.kernels.dotMany(rows.rowAt(row), rows.at, padded * 4, count, padded, out)
    for (let i = 0; i < count; i++) {
      distances[i] = norms[i]! - 2 * heap.floats[(out >>> 2) + i]!
      flat[i] = (positions[i * 2]! - positions[row * 2]!) ** 2 + (positions[i * 2 + 1]! - positions[row * 2 + 1]!) ** 2
    }
    const truth = new Set(smallest(distances, near, row))
    const shown = smallest(flat, wide, row)
    nearest50 += shown.filter((i) => truth.has(i)).length
    const shown10 = shown.slice(0, near)
    nearest10 += shown10.filter((i) => truth.has(i)).length
    for (const i of shown10) {
      if (truth.has(i)) continue
      let rank = 0
      for (let j = 0; j < count; j++) if (j !== row && distances[j]! <= distances[i]!) rank++
      intruding += Math.max(0, rank - near)
    }
  }
  heap.release(out)
  const most = asked.length * near
  return { nearest10: nearest10 / most, nearest50: nearest50 / most, trustworthiness: 1 - (2 * intruding) / (most * (2 * count - 3 * near - 1)) }
}

/** The places of the smallest values but `except`'s, smallest first; equal ones by place. */
function smallest(values: Float64Array, many: number, except: number): number[] {
  const best: number[] = []
  for (let i = 0; i < values.length; i++) {
    if (i === except || (best.length === many && values[i]! >= values[best[many - 1]!]!)) continue
    let place = Math.min(best.length, many - 1)
    for (; place > 0 && values[best[place - 1]!]! > values[i]!; place--) best[place] = best[place - 1]!
    best[place] = i
  }
  return best
}
