// Candidates are 64-bit keys: the score's bits, made to sort like integers, above the id. One comparison orders (score, id).

// @ts-ignore: decorator
@inline
export function keyOf(score: f32, id: u32): i64 {
  const bits = reinterpret<i32>(score)
  return (<i64>(bits ^ ((bits >> 31) & 0x7fffffff)) << 32) | <i64>id
}

// @ts-ignore: decorator
@inline
export function scoreOf(key: i64): f32 {
  const bits = <i32>(key >> 32)
  return reinterpret<f32>(bits ^ ((bits >> 31) & 0x7fffffff))
}

/**
 * Moves the `keep` largest of `count` keys to the front, in no order (quickselect, Hoare 1961). The partition has no branch to mispredict:
 * it swaps always and counts by comparison (Lomuto's scheme without branches).
 */
export function selectKeys(keys: usize, count: i32, keep: i32): void {
  let from = 0
  let to = count
  let rounds = 0
  while (to - from > 1 && keep > from && keep < to) {
    const middle = from + ((to - from) >> 1)
    const a = load<i64>(keys + (<usize>from << 3))
    const b = load<i64>(keys + (<usize>middle << 3))
    const c = load<i64>(keys + (<usize>(to - 1) << 3))
    // The median of three; after many rounds (an adversary, or equal keys) the middle one, which moves as the range shrinks.
    const pivot = rounds++ > 64 ? b : max(min(a, b), min(max(a, b), c))
    let larger = from
    for (let i = from; i < to; i++) {
      const place = keys + (<usize>larger << 3)
      const key = load<i64>(keys + (<usize>i << 3))
      store<i64>(keys + (<usize>i << 3), load<i64>(place))
      store<i64>(place, key)
      larger += i32(key > pivot)
    }
    if (larger >= keep) {
      to = larger
      continue
    }
    // Then those equal to the pivot: at least one, so the range shrinks.
    let equal = larger
    for (let i = larger; i < to; i++) {
      const place = keys + (<usize>equal << 3)
      const key = load<i64>(keys + (<usize>i << 3))
      store<i64>(keys + (<usize>i << 3), load<i64>(place))
      store<i64>(place, key)
      equal += i32(key == pivot)
    }
    if (equal >= keep) return
    from = equal
  }
}

/** Sorts `count` keys, largest first (Shell sort with Ciura's gaps: short arrays). */
export function sortKeys(keys: usize, count: i32): void {
  let gap = 701
  while (gap > 0) {
    for (let i = gap; i < count; i++) {
      const key = load<i64>(keys + (<usize>i << 3))
      let j = i
      while (j >= gap && load<i64>(keys + (<usize>(j - gap) << 3)) < key) {
        store<i64>(keys + (<usize>j << 3), load<i64>(keys + (<usize>(j - gap) << 3)))
        j -= gap
      }
      store<i64>(keys + (<usize>j << 3), key)
    }
    gap = gap == 701 ? 301 : gap == 301 ? 132 : gap == 132 ? 57 : gap == 57 ? 23 : gap == 23 ? 10 : gap == 10 ? 4 : gap == 4 ? 1 : 0
  }
}
