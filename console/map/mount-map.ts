import type { Api } from '../api.ts'

/** Shows the map of a collection in `element`, until it is destroyed. */
export function mountMap(element: HTMLElement, { collection }: { collection: string; api: Api }): { destroy(): void } {
  element.textContent = `The map of ${collection} is not part of this build.`
  return { destroy: () => element.replaceChildren() }
}
