import { h, render } from 'preact'
import type { Api } from '../api.ts'
import { MapView } from './map-view.tsx'

/** Shows the map of a collection in `element`, until it is destroyed. */
export function mountMap(element: HTMLElement, { collection, api }: { collection: string; api: Api }): { destroy(): void } {
  render(h(MapView, { collection, api }), element)
  return { destroy: () => render(null, element) }
}
