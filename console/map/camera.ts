/** What is seen of a map: `x`, `y` of the map (0 to 1, y down) is in the middle, and the map's side takes `scale` pixels. */
export interface Camera {
  readonly x: number
  readonly y: number
  readonly scale: number
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** How much nearer than the whole map one can go. */
const zoomMax = 400
const margin = 0.94

/** Everything is seen. */
export function fitAll(size: Size): Camera {
  return { x: 0.5, y: 0.5, scale: Math.max(1, Math.min(size.width, size.height) * margin) }
}

export function toScreen({ x, y, scale }: Camera, { width, height }: Size, at: { x: number; y: number }): { x: number; y: number } {
  return { x: (at.x - x) * scale + width / 2, y: (at.y - y) * scale + height / 2 }
}

export function toMap({ x, y, scale }: Camera, { width, height }: Size, at: { x: number; y: number }): { x: number; y: number } {
  return { x: (at.x - width / 2) / scale + x, y: (at.y - height / 2) / scale + y }
}

/** Moves what is seen by pixels; some of the map stays in the middle. */
export function pan(camera: Camera, dx: number, dy: number): Camera {
  const within = (value: number) => Math.min(1, Math.max(0, value))
  return { x: within(camera.x - dx / camera.scale), y: within(camera.y - dy / camera.scale), scale: camera.scale }
}

/** Goes nearer by a factor; the place at `at` stays where it is. */
export function zoom(camera: Camera, size: Size, factor: number, at: { x: number; y: number }): Camera {
  const whole = fitAll(size).scale
  const scale = Math.min(whole * zoomMax, Math.max(whole / 2, camera.scale * factor))
  const place = toMap(camera, size, at)
  return pan({ x: place.x - (at.x - size.width / 2) / scale, y: place.y - (at.y - size.height / 2) / scale, scale }, 0, 0)
}

/** Sees all of the places named; of one, its surroundings. */
export function fitPlaces(places: readonly { x: number; y: number }[], size: Size): Camera {
  if (places.length === 0) return fitAll(size)
  const xs = places.map(({ x }) => x)
  const ys = places.map(({ y }) => y)
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const whole = fitAll(size).scale
  const scale = Math.min((size.width * 0.7) / Math.max(right - left, 1e-6), (size.height * 0.7) / Math.max(bottom - top, 1e-6), whole * 12)
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale: Math.max(whole, scale) }
}

/** A step of a flight, `share` 0 to 1 of the way; sizes change by factors, not by pixels. */
export function between(from: Camera, to: Camera, share: number): Camera {
  const eased = share * share * (3 - 2 * share)
  const mix = (a: number, b: number) => a + (b - a) * eased
  return { x: mix(from.x, to.x), y: mix(from.y, to.y), scale: Math.exp(mix(Math.log(from.scale), Math.log(to.scale))) }
}
