// Drawn here, on a grid of 20, in strokes of 1.6.
const paths = {
  search: 'M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM13 13l4 4',
  collections: 'M10 3c4 0 6.5 1.1 6.5 2.5S14 8 10 8 3.5 6.9 3.5 5.5 6 3 10 3ZM3.5 5.500v9C3.5 15.9 6 17 10 17s6.5-1.1 6.5-2.500v-9M3.5 10c0 1.4 2.5 2.5 6.5 2.500s6.5-1.1 6.5-2.5',
  documents: 'M5 2.500h6.500L15.5 6.500v11h-10.500ZM11 2.500V7h4.500M7.5 10.500h5.500M7.5 13.500h5.5',
  vectorizers: 'M16.5 10a6.5 6.5 0 0 1-11.5 4.200M3.5 10A6.5 6.5 0 0 1 15 5.800M15.2 2.500v3.500h-3.500M4.8 17.500v-3.500h3.5',
  models: 'M10 2.500l6.5 3.700v7.600L10 17.500l-6.5-3.700V6.200ZM3.5 6.2 10 10l6.5-3.800M10 10v7.5',
  audio: 'M3 8.500v3M6.5 5.500v9M10 3v14M13.5 6.500v7M17 8.500v3',
  map: 'M5.5 6.500h.01M9 12h.01M13.5 5h.01M15 13.500h.01M6 15h.01M11 8.500h.01M16.5 9h.01M3.5 10.500h.01',
  keys: 'M13 3.500a3.5 3.5 0 1 1-3.2 4.900L3.5 14.700V17H6v-2h2v-2l2.2-2.2',
  sun: 'M10 6.500a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.3 4.300l1.1 1.100M14.6 14.600l1.1 1.100M15.7 4.300l-1.1 1.100M5.4 14.600l-1.1 1.1',
  moon: 'M16.5 12A7 7 0 0 1 8 3.5 7 7 0 1 0 16.5 12Z',
  system: 'M3 4h14v9.500H3ZM7.5 17h5M10 13.500V17',
  plus: 'M10 4v12M4 10h12',
  cross: 'M5 5l10 10M15 5 5 15',
  upload: 'M10 13V3.500M6 7l4-4 4 4M3.5 13v3.500h13V13',
} as const

export type IconName = keyof typeof paths

/** For the eye only: what it stands for is said in words beside it. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width={size} height={size} fill="none" stroke="currentColor" stroke-width={name === 'map' ? 2.6 : 1.6} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
