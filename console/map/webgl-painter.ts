import type { Colour } from './map-colours.ts'
import { dimShare, litFactor, litMin, type Painter, type Scene } from './painter.ts'

const vertexShader = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in uint code;
uniform vec3 camera;
uniform vec2 size;
uniform float pointSize;
uniform float chosen;
uniform bool isLit;
uniform bool someAreLit;
uniform sampler2D colours;
uniform vec3 litColour;
out vec4 colour;
void main() {
  vec2 pixel = (place - camera.xy) * camera.z * 2.0 / size;
  gl_Position = vec4(pixel.x, -pixel.y, 0.0, 1.0);
  gl_PointSize = pointSize;
  bool isDim = !isLit && (someAreLit || (chosen >= 0.0 && float(code) != chosen));
  vec3 own = isLit ? litColour : texelFetch(colours, ivec2(int(code), 0), 0).rgb;
  colour = vec4(own, isDim ? ${dimShare} : isLit ? 1.0 : 0.8);
}`

const fragmentShader = `#version 300 es
precision highp float;
in vec4 colour;
uniform float pointSize;
uniform bool isLit;
uniform vec3 ground;
out vec4 pixel;
void main() {
  float off = length(gl_PointCoord - 0.5) * pointSize;
  float inside = clamp(pointSize * 0.5 - off + 0.5, 0.0, 1.0);
  // A lit point has a rim in the colour of the ground, so that it stands out of a crowd.
  bool isRim = isLit && off > pointSize * 0.5 - 1.8;
  pixel = vec4(isRim ? ground : colour.rgb, colour.a * inside);
}`

/** Points by WebGL 2. @returns null where that is missing, or done in software: drawing by hand is then three times as fast. */
export function webglPainter(canvas: HTMLCanvasElement, positions: Uint16Array): Painter | null {
  const gl = canvas.getContext('webgl2', { antialias: false, alpha: false, depth: false, powerPreference: 'low-power' })
  if (!gl || isSoftware(gl)) return null
  const program = link(gl)
  if (!program) return null
  const uniform = (name: string) => gl.getUniformLocation(program, name)
  const places = { camera: uniform('camera'), size: uniform('size'), pointSize: uniform('pointSize'), chosen: uniform('chosen'), isLit: uniform('isLit'), someAreLit: uniform('someAreLit'), litColour: uniform('litColour'), ground: uniform('ground'), colours: uniform('colours') }
  const count = positions.length / 2
  const all = { vertices: gl.createVertexArray(), places: gl.createBuffer(), codes: gl.createBuffer() }
  const lit = { vertices: gl.createVertexArray(), places: gl.createBuffer(), codes: gl.createBuffer(), count: 0 }
  for (const set of [all, lit]) {
    gl.bindVertexArray(set.vertices)
    gl.bindBuffer(gl.ARRAY_BUFFER, set.places)
    gl.enableVertexAttribArray(0)
    gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0)
    gl.bindBuffer(gl.ARRAY_BUFFER, set.codes)
    gl.enableVertexAttribArray(1)
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_BYTE, 0, 0)
  }
  const fill = (buffer: WebGLBuffer | null, data: Uint16Array | Uint8Array) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer)
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW)
  }
  fill(all.places, positions)
  fill(all.codes, new Uint8Array(count))
  const texture = gl.createTexture()
  let litColour: Colour = [0, 0, 0]
  const unit = ([r, g, b]: Colour) => [r / 255, g / 255, b / 255] as const
  return {
    kind: 'webgl',
    setColours(codes, colours) {
      fill(all.codes, codes)
      gl.bindTexture(gl.TEXTURE_2D, texture)
      const texels = Uint8Array.from(colours.flatMap(([r, g, b]) => [r, g, b, 255]))
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels)
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST)
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST)
    },
    setLit(points, colour) {
      litColour = colour
      lit.count = points.length
      fill(lit.places, Uint16Array.from({ length: points.length * 2 }, (_, i) => positions[points[i >> 1]! * 2 + (i & 1)]!))
      fill(lit.codes, new Uint8Array(points.length))
    },
    draw({ camera, width, height, pointSize, ground, chosenCode }: Scene) {
      gl.viewport(0, 0, width, height)
      gl.clearColor(...unit(ground), 1)
      gl.clear(gl.COLOR_BUFFER_BIT)
      gl.useProgram(program)
      gl.enable(gl.BLEND)
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA)
      gl.activeTexture(gl.TEXTURE0)
      gl.bindTexture(gl.TEXTURE_2D, texture)
      gl.uniform1i(places.colours, 0)
      gl.uniform3f(places.camera, camera.x, camera.y, camera.scale)
      gl.uniform2f(places.size, width, height)
      gl.uniform1f(places.chosen, chosenCode ?? -1)
      gl.uniform1i(places.someAreLit, lit.count > 0 ? 1 : 0)
      gl.uniform3f(places.litColour, ...unit(litColour))
      gl.uniform3f(places.ground, ...unit(ground))
      gl.uniform1i(places.isLit, 0)
      gl.uniform1f(places.pointSize, pointSize)
      gl.bindVertexArray(all.vertices)
      gl.drawArrays(gl.POINTS, 0, count)
      if (lit.count === 0) return
      gl.uniform1i(places.isLit, 1)
      gl.uniform1f(places.pointSize, Math.max(litMin, pointSize * litFactor))
      gl.bindVertexArray(lit.vertices)
      gl.drawArrays(gl.POINTS, 0, lit.count)
    },
    destroy() {
      gl.getExtension('WEBGL_lose_context')?.loseContext()
    },
  }
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const names = gl.getExtension('WEBGL_debug_renderer_info')
  return /swiftshader|llvmpipe|software|basic render/i.test(String(gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER)))
}

function link(gl: WebGL2RenderingContext): WebGLProgram | null {
  const program = gl.createProgram()
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertexShader],
    [gl.FRAGMENT_SHADER, fragmentShader],
  ] as const) {
    const shader = gl.createShader(type)
    if (!shader) return null
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    gl.attachShader(program, shader)
  }
  gl.linkProgram(program)
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null
}
