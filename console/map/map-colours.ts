import type { MapField } from './map-data.ts'

/** Red, green, blue, 0 to 255. */
export type Colour = readonly [number, number, number]

/** One line of the legend. `code` of the points that it stands for; null: a scale. */
export interface LegendLine {
  readonly code: number
  readonly name: string
  readonly count?: number
  readonly colour: Colour
}

// Okabe & Ito's palette (2008), which people with any colour vision can tell apart, and lighter or darker ones between.
const onLight: readonly Colour[] = [[0, 90, 156], [196, 94, 0], [0, 127, 92], [168, 55, 117], [112, 86, 0], [40, 140, 190], [150, 40, 27], [95, 70, 160], [70, 120, 20], [60, 72, 88]]
const onDark: readonly Colour[] = [[94, 178, 240], [240, 160, 60], [60, 200, 150], [226, 130, 184], [230, 214, 90], [140, 215, 245], [245, 125, 105], [180, 160, 250], [160, 215, 100], [200, 210, 222]]
// Steps of viridis (Smith & van der Walt, 2015): even in lightness, so that it reads without colours too.
const scale: readonly Colour[] = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]
const otherCode = 255

const restOf = (isDark: boolean): Colour => (isDark ? [125, 138, 150] : [140, 150, 160])

/** A colour for each code, and what the legend says of them. */
export function coloursOf(field: MapField | null, isDark: boolean): { readonly colours: readonly Colour[]; readonly legend: readonly LegendLine[] } {
  const palette = isDark ? onDark : onLight
  const rest = restOf(isDark)
  const colours: Colour[] = Array.from({ length: 256 }, () => rest)
  if (!field) return { colours: colours.fill(palette[0]!), legend: [] }
  if (field.kind === 'number') {
    for (let code = 1; code < 256; code++) colours[code] = scaleAt((code - 1) / 254, isDark)
    return { colours, legend: [] }
  }
  const values = field.values ?? []
  const legend = values.slice(0, palette.length).map(({ value, count }, i) => ({ code: i + 1, name: value, count, colour: palette[i]! }))
  for (const { code, colour } of legend) colours[code] = colour
  return { colours, legend: values.length > legend.length ? [...legend, { code: otherCode, name: 'any other', colour: rest }] : legend }
}

/** Values beyond the palette are shown, and chosen, together. */
export function shownCode(code: number): number {
  return code > onLight.length ? otherCode : code
}

/** The colour at `share` of a scale, 0 to 1; on a dark ground it begins brighter. */
export function scaleAt(share: number, isDark: boolean): Colour {
  const from = isDark ? 0.2 + share * 0.8 : share * 0.92
  const at = from * (scale.length - 1)
  const i = Math.min(scale.length - 2, Math.floor(at))
  return scale[i]!.map((value, channel) => Math.round(value + (scale[i + 1]![channel]! - value) * (at - i))) as unknown as Colour
}
