import { toScreen, type Size } from './camera.ts'
import type { Colour } from './map-colours.ts'
import { dimShare, litFactor, litMin, type Painter, type Scene } from './painter.ts'

/** Points on a plain canvas, pixel by pixel: squares in one image, which is many times faster than as many calls. */
export function canvasPainter(canvas: HTMLCanvasElement, positions: Uint16Array): Painter {
  const context = canvas.getContext('2d', { alpha: false })!
  let codes: Uint8Array = new Uint8Array(positions.length / 2)
  let colours: readonly Colour[] = [[0, 0, 0]]
  let lit: Uint32Array = new Uint32Array(0)
  let litColour: Colour = [0, 0, 0]
  let image: ImageData | null = null
  return {
    kind: 'canvas',
    setColours(newCodes, newColours) {
      codes = newCodes
      colours = newColours
    },
    setLit(points, colour) {
      lit = points
      litColour = colour
    },
    draw(scene: Scene) {
      const { width, height, ground, camera, pointSize, chosenCode } = scene
      if (image?.width !== width || image.height !== height) image = context.createImageData(width, height)
      const pixels = new Uint32Array(image.data.buffer)
      pixels.fill(packed(ground, ground, 1))
      const palettes = [dimShare, 0.9].map((share) => Uint32Array.from({ length: 256 }, (_, code) => packed(colours[code] ?? ground, ground, share)))
      const [dim, full] = palettes as [Uint32Array, Uint32Array]
      const side = Math.max(1, Math.round(pointSize * 0.85))
      const offset = (side - 1) / 2
      const factor = camera.scale / 65_535
      const [left, top] = [width / 2 - camera.x * camera.scale - offset, height / 2 - camera.y * camera.scale - offset]
      // Those that step back first, so that they hide nothing.
      for (const isFull of [false, true]) {
        if (isFull && lit.length > 0) break
        const palette = isFull ? full : dim
        for (let i = 0; i < codes.length; i++) {
          const code = codes[i]!
          if ((lit.length === 0 && (chosenCode === null || code === chosenCode)) !== isFull) continue
          const x = Math.round(positions[i * 2]! * factor + left)
          const y = Math.round(positions[i * 2 + 1]! * factor + top)
          if (x < 0 || y < 0 || x + side > width || y + side > height) continue
          const pixel = palette[code]!
          for (let row = 0, at = y * width + x; row < side; row++, at += width) for (let column = 0; column < side; column++) pixels[at + column] = pixel
        }
      }
      context.putImageData(image, 0, 0)
      drawLit(context, scene, positions, lit, litColour)
    },
    destroy() {
      image = null
    },
  }
}

function drawLit(context: CanvasRenderingContext2D, { camera, width, height, pointSize, ground }: Scene, positions: Uint16Array, lit: Uint32Array, colour: Colour): void {
  const size: Size = { width, height }
  context.fillStyle = `rgb(${colour.join(' ')})`
  context.strokeStyle = `rgb(${ground.join(' ')})`
  context.lineWidth = 2
  for (const point of lit) {
    const { x, y } = toScreen(camera, size, { x: positions[point * 2]! / 65_535, y: positions[point * 2 + 1]! / 65_535 })
    context.beginPath()
    context.arc(x, y, Math.max(litMin, pointSize * litFactor) / 2, 0, 2 * Math.PI)
    context.fill()
    context.stroke()
  }
}

/** A pixel as an image has it on a little-endian machine: red in the lowest byte. */
function packed(colour: Colour, ground: Colour, share: number): number {
  const [r, g, b] = colour.map((value, i) => Math.round(value * share + ground[i]! * (1 - share))) as [number, number, number]
  return (255 << 24) | (b << 16) | (g << 8) | r
}
