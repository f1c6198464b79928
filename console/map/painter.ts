import type { Camera } from './camera.ts'
import type { Colour } from './map-colours.ts'

/** What a picture of a map shows besides its points. Sizes are pixels of the screen's own. */
export interface Scene {
  readonly camera: Camera
  readonly width: number
  readonly height: number
  readonly pointSize: number
  readonly ground: Colour
  /** Only points of this code are shown in full; null: all. */
  readonly chosenCode: number | null
}

/** Draws points on a canvas: by WebGL 2, or by hand where no graphics card does that. */
export interface Painter {
  readonly kind: 'webgl' | 'canvas'
  /** @param codes A byte for each point, of `colours`. */
  setColours(codes: Uint8Array, colours: readonly Colour[]): void
  /** Points that are lit up: the others step back. */
  setLit(points: Uint32Array, colour: Colour): void
  draw(scene: Scene): void
  destroy(): void
}

/** How much of its colour a point keeps that steps back. */
export const dimShare = 0.18
/** How much larger a point is that is lit up. */
export const litFactor = 2.6
export const litMin = 9
