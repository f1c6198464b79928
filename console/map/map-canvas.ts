import { between, fitAll, fitPlaces, pan, toMap, toScreen, zoom, type Camera, type Size } from './camera.ts'
import { canvasPainter } from './canvas-painter.ts'
import type { Colour } from './map-colours.ts'
import type { MapData } from './map-data.ts'
import type { Painter } from './painter.ts'
import { PointGrid } from './point-grid.ts'
import { webglPainter } from './webgl-painter.ts'

/** A point that is pointed at, and where on the canvas it is. */
export interface Pointed {
  readonly point: number
  readonly x: number
  readonly y: number
}

export interface MapCanvasEvents {
  /** The pointer is near a point, or near none any more. */
  onPoint(pointed: Pointed | null): void
  /** A point was chosen, by pointer or by key. */
  onChoose(point: number): void
}

const pickPixels = 10
const panPixels = 80
const keyZoom = 1.5
const flightMs = 600

/** A map on a canvas: drawn when something has changed, moved by pointer, wheel and keys. */
export class MapCanvas {
  readonly canvas: HTMLCanvasElement
  readonly #data: MapData
  readonly #grid: PointGrid
  readonly #painter: Painter
  readonly #events: MapCanvasEvents
  readonly #observer: ResizeObserver
  readonly #pointers = new Map<number, { x: number; y: number }>()
  readonly #listening = new AbortController()
  #camera: Camera
  #size: Size = { width: 1, height: 1 }
  #frame = 0
  #isMoved = false
  #isSized = false
  #chosenCode: number | null = null
  #ground: Colour = [255, 255, 255]
  #flight: { from: Camera; to: Camera; start: number } | null = null

  constructor(host: HTMLElement, data: MapData, events: MapCanvasEvents, { isPlain = false }: { isPlain?: boolean } = {}) {
    this.#data = data
    this.#events = events
    this.#grid = new PointGrid(data.positions)
    this.canvas = makeCanvas()
    // A canvas that was once asked for WebGL gives no other context.
    let painter = isPlain ? null : webglPainter(this.canvas, data.positions)
    if (!painter) {
      this.canvas = makeCanvas()
      painter = canvasPainter(this.canvas, data.positions)
    }
    this.#painter = painter
    this.canvas.dataset.painter = painter.kind
    host.append(this.canvas)
    this.#camera = fitAll(this.#size)
    this.#observer = new ResizeObserver(() => this.#fit())
    this.#observer.observe(this.canvas)
    this.#fit()
    this.#listen()
  }

  setColours(codes: Uint8Array, colours: readonly Colour[], ground: Colour): void {
    this.#ground = ground
    this.#painter.setColours(codes, colours)
    this.#changed()
  }

  /** Only points of one code in full; null: all. */
  setChosenCode(code: number | null): void {
    this.#chosenCode = code
    this.#changed()
  }

  setLit(points: readonly number[], colour: Colour): void {
    this.#painter.setLit(Uint32Array.from(points), colour)
    this.#changed()
  }

  /** Flies to where all of `points` are seen; without any, to the whole map. At once for who wants no motion. */
  flyTo(points: readonly number[]): void {
    const to = points.length === 0 ? fitAll(this.#size) : fitPlaces(points.map((point) => this.#data.placeOf(point)), this.#size)
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) this.#look(to)
    else {
      this.#flight = { from: this.#camera, to, start: performance.now() }
      this.#changed()
    }
  }

  zoomBy(factor: number): void {
    this.#look(zoom(this.#camera, this.#size, factor, { x: this.#size.width / 2, y: this.#size.height / 2 }))
  }

  panBy(dx: number, dy: number): void {
    this.#look(pan(this.#camera, dx, dy))
  }

  /** Where a point is on the canvas. */
  screenOf(point: number): { x: number; y: number } {
    return toScreen(this.#camera, this.#size, this.#data.placeOf(point))
  }

  /** The point nearest to the middle; -1 on a map without points. */
  middlePoint(): number {
    for (let radius = 0.02; radius < 3; radius *= 3) {
      const point = this.#grid.nearest(this.#camera.x, this.#camera.y, radius)
      if (point >= 0) return point
    }
    return -1
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame)
    this.#listening.abort()
    this.#observer.disconnect()
    this.#painter.destroy()
    this.canvas.remove()
  }

  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas
    if (width === 0 || height === 0) return
    const factor = this.#isSized ? fitAll({ width, height }).scale / fitAll(this.#size).scale : 0
    this.#size = { width, height }
    this.#camera = this.#isSized ? { ...this.#camera, scale: this.#camera.scale * factor } : fitAll(this.#size)
    this.#isSized = true
    const ratio = Math.min(3, devicePixelRatio || 1)
    this.canvas.width = Math.round(width * ratio)
    this.canvas.height = Math.round(height * ratio)
    // Setting its size has emptied it: what is seen meanwhile would be nothing.
    this.#draw()
  }

  #look(camera: Camera): void {
    this.#flight = null
    this.#camera = camera
    this.#events.onPoint(null)
    this.#changed()
  }

  #changed(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame((now) => this.#step(now))
  }

  #step(now: number): void {
    this.#frame = 0
    if (this.#flight) {
      const { from, to, start } = this.#flight
      const share = Math.min(1, Math.max(0, (now - start) / flightMs))
      this.#camera = between(from, to, share)
      if (share < 1) this.#changed()
      else this.#flight = null
    }
    this.#draw()
  }

  #draw(): void {
    const ratio = this.canvas.width / this.#size.width
    const nearer = this.#camera.scale / fitAll(this.#size).scale
    // Few points are large; many are small, and grow as one comes nearer.
    const base = Math.min(7, Math.max(2, 260 / Math.sqrt(this.#data.info.pointCount + 1)))
    const pointSize = Math.min(11, base * Math.max(1, nearer) ** 0.4) * ratio
    this.#painter.draw({ camera: { ...this.#camera, scale: this.#camera.scale * ratio }, width: this.canvas.width, height: this.canvas.height, pointSize, ground: this.#ground, chosenCode: this.#chosenCode })
  }

  #pick(at: { x: number; y: number }): number {
    const place = toMap(this.#camera, this.#size, at)
    return this.#grid.nearest(place.x, place.y, pickPixels / this.#camera.scale)
  }

  #listen(): void {
    const { canvas } = this
    const options = { signal: this.#listening.signal }
    const at = (event: MouseEvent) => ({ x: event.offsetX, y: event.offsetY })
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId)
      this.#pointers.set(event.pointerId, at(event))
      this.#isMoved = false
    }, options)
    canvas.addEventListener('pointermove', (event) => this.#move(event.pointerId, at(event)), options)
    canvas.addEventListener('pointerup', (event) => {
      const wasDown = this.#pointers.delete(event.pointerId)
      if (!wasDown || this.#isMoved) return
      const point = this.#pick(at(event))
      if (point >= 0) this.#events.onChoose(point)
    }, options)
    canvas.addEventListener('pointercancel', (event) => this.#pointers.delete(event.pointerId), options)
    canvas.addEventListener('pointerleave', () => this.#events.onPoint(null), options)
    canvas.addEventListener('dblclick', (event) => this.#look(zoom(this.#camera, this.#size, 2, at(event))), options)
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault()
      const lines = event.deltaMode === 1 ? 16 : 1
      this.#look(zoom(this.#camera, this.#size, Math.exp(-event.deltaY * lines * 0.0016), at(event)))
    }, { ...options, passive: false })
    canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.#press(event.key)) return
      event.preventDefault()
    }, options)
  }

  #move(id: number, to: { x: number; y: number }): void {
    const from = this.#pointers.get(id)
    if (!from) {
      const point = this.#pick(to)
      this.#events.onPoint(point < 0 ? null : { point, ...this.screenOf(point) })
      return
    }
    const [dx, dy] = [to.x - from.x, to.y - from.y]
    if (!this.#isMoved && Math.hypot(dx, dy) < 4) return
    this.#isMoved = true
    const others = [...this.#pointers].filter(([other]) => other !== id).map(([, place]) => place)
    this.#pointers.set(id, to)
    // Two fingers: what is between them stays between them.
    const other = others[0]
    if (other) {
      const spread = (place: { x: number; y: number }) => Math.max(1, Math.hypot(place.x - other.x, place.y - other.y))
      this.#look(zoom(pan(this.#camera, dx / 2, dy / 2), this.#size, spread(to) / spread(from), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 }))
    } else this.#look(pan(this.#camera, dx, dy))
  }

  #press(key: string): boolean {
    const actions: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.panBy(panPixels, 0),
      ArrowRight: () => this.panBy(-panPixels, 0),
      ArrowUp: () => this.panBy(0, panPixels),
      ArrowDown: () => this.panBy(0, -panPixels),
      '+': () => this.zoomBy(keyZoom),
      '=': () => this.zoomBy(keyZoom),
      '-': () => this.zoomBy(1 / keyZoom),
      '0': () => this.flyTo([]),
      Home: () => this.flyTo([]),
      Enter: () => this.#chooseMiddle(),
      ' ': () => this.#chooseMiddle(),
    }
    const action = actions[key]
    action?.()
    return action !== undefined
  }

  #chooseMiddle(): void {
    const point = this.middlePoint()
    if (point >= 0) this.#events.onChoose(point)
  }
}

function makeCanvas(): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  canvas.tabIndex = 0
  canvas.setAttribute('role', 'application')
  return canvas
}
