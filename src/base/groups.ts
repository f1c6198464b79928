/** Cuts a list into parts of `size`, the last one shorter. */
export function chunksOf<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/** Adds an item to the group of a key. */
export function addTo<Key, Item>(groups: Map<Key, Item[]>, key: Key, item: Item): void {
  const group = groups.get(key)
  if (group) group.push(item)
  else groups.set(key, [item])
}

/** Ranges in order of their start, those together between which there are at most `gapMax`. */
export function joinRanges<Range extends { readonly start: number; readonly end: number }>(ranges: readonly Range[], gapMax: number): { start: number; end: number; members: Range[] }[] {
  const groups: { start: number; end: number; members: Range[] }[] = []
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = groups.at(-1)
    if (last && range.start - last.end <= gapMax) {
      last.end = Math.max(last.end, range.end)
      last.members.push(range)
    } else groups.push({ start: range.start, end: range.end, members: [range] })
  }
  return groups
}
