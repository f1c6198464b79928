import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { bookkeeping } from '../pages/search.tsx'
import { showCount } from '../quantities.ts'
import { MapCanvas } from './map-canvas.ts'
import { coloursOf, scaleAt, shownCode, type Colour } from './map-colours.ts'
import type { MapData, MapHit, MapRecord } from './map-data.ts'

const hoverMs = 90
const litLight: Colour = [214, 40, 20]
const litDark: Colour = [255, 214, 64]

/** The points themselves: coloured, searched, pointed at; and in words what they show. */
export function MapStage({ data, collection }: { data: MapData; collection: string }) {
  const host = useRef<HTMLDivElement>(null)
  const map = useRef<MapCanvas | null>(null)
  const isDark = useDark()
  const fields = data.fields.filter(({ name }) => !bookkeeping.has(name))
  const [fieldName, setFieldName] = useState(fields.find(({ kind }) => kind === 'text')?.name ?? fields[0]?.name ?? '')
  const [chosenCode, setChosenCode] = useState<number | null>(null)
  const [pointed, setPointed] = useState<{ record: MapRecord; x: number; y: number } | null>(null)
  const [selected, setSelected] = useState<MapRecord | null>(null)
  const [hits, setHits] = useState<readonly MapHit[] | null>(null)
  const field = fields.find(({ name }) => name === fieldName) ?? null
  const { colours, legend } = useMemo(() => coloursOf(field, isDark), [field, isDark])

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let current = -1
    const view = new MapCanvas(host.current!, data, {
      onPoint(next) {
        if ((next?.point ?? -1) === current) return
        current = next?.point ?? -1
        clearTimeout(timer)
        setPointed(null)
        if (!next) return
        // Only of a point that one stays at.
        timer = setTimeout(() => {
          data.recordAt(next.point).then(
            (record) => current === next.point && setPointed({ record, x: next.x, y: next.y }),
            () => undefined,
          )
        }, hoverMs)
      },
      onChoose(point) {
        data.recordAt(point).then(setSelected, () => undefined)
      },
    })
    view.canvas.setAttribute('aria-label', `Map of ${collection}: ${showCount(data.info.pointCount)} points`)
    view.canvas.setAttribute('aria-describedby', 'map-keys')
    map.current = view
    return () => {
      clearTimeout(timer)
      view.destroy()
    }
  }, [data])
  useEffect(() => {
    const codes = field ? (field.kind === 'text' ? field.codes.map(shownCode) : field.codes) : new Uint8Array(data.info.pointCount)
    map.current!.setColours(codes, colours, groundOf(host.current!))
  }, [data, field, colours])
  useEffect(() => map.current!.setChosenCode(chosenCode), [data, chosenCode])
  useEffect(() => {
    map.current!.setLit((hits ?? []).map(({ point }) => point).filter((point) => point >= 0), isDark ? litDark : litLight)
  }, [data, hits, isDark])

  const show = (found: readonly MapHit[] | null) => {
    setHits(found)
    map.current!.flyTo((found ?? []).map(({ point }) => point).filter((point) => point >= 0))
  }
  return (
    <>
      <div class="row between">
        <MapSearch data={data} hits={hits} onHits={show} />
        {fields.length > 0 && (
          <label class="choice">
            <span>Colour by</span>
            <select
              value={fieldName}
              onChange={({ currentTarget }) => {
                setFieldName(currentTarget.value)
                setChosenCode(null)
              }}
            >
              {fields.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
              <option value="">nothing</option>
            </select>
          </label>
        )}
      </div>
      <div class="map-stage">
        <div ref={host} class="map-host" />
        <div class="map-buttons" role="group" aria-label="Move the map">
          <button type="button" aria-label="Nearer" title="Nearer (+)" onClick={() => map.current!.zoomBy(1.6)}>+</button>
          <button type="button" aria-label="Farther" title="Farther (-)" onClick={() => map.current!.zoomBy(1 / 1.6)}>−</button>
          <button type="button" aria-label="The whole map" title="The whole map (0)" onClick={() => map.current!.flyTo([])}>⤢</button>
        </div>
        {pointed && (
          <div class="map-tip" ref={(tip) => placeTip(tip, pointed)}>
            <strong dir="auto">{pointed.record.title}</strong>
            <span dir="auto">{pointed.record.text.slice(0, 180)}</span>
          </div>
        )}
      </div>
      <p id="map-keys" class="quiet"><small>Drag to move, scroll to go nearer, click a point to read it. With the map focused: arrows move, + and − zoom, 0 shows all, Enter reads the record nearest to the middle.</small></p>
      {field && <Legend field={field} legend={legend} isDark={isDark} chosenCode={chosenCode} onChoose={setChosenCode} />}
      <div aria-live="polite">
        {selected && (
          <section class="panel" aria-label="Chosen record">
            <div class="row between">
              <h2 dir="auto">{selected.title}</h2>
              <button type="button" class="small" onClick={() => setSelected(null)}>Close</button>
            </div>
            <p dir="auto">{selected.text}</p>
            <small class="quiet" dir="auto">{selected.key}</small>
          </section>
        )}
      </div>
      {hits && <Hits hits={hits} onShow={(point) => map.current!.flyTo([point])} />}
    </>
  )
}

function MapSearch({ data, hits, onHits }: { data: MapData; hits: readonly MapHit[] | null; onHits: (hits: readonly MapHit[] | null) => void }) {
  const [question, setQuestion] = useState('')
  const [state, setState] = useState<{ isLoading: boolean; error?: string }>({ isLoading: false })
  const going = useRef<AbortController | null>(null)
  useEffect(() => () => going.current?.abort(), [])
  const search = async () => {
    going.current?.abort()
    if (question.trim() === '') return onHits(null)
    const ending = new AbortController()
    going.current = ending
    setState({ isLoading: true })
    try {
      const found = await data.search(question, ending.signal)
      if (!ending.signal.aborted) {
        setState({ isLoading: false })
        onHits(found)
      }
    } catch (error) {
      if (!ending.signal.aborted) setState({ isLoading: false, error: error instanceof Error ? error.message : String(error) })
    }
  }
  return (
    <form
      class="row grow"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        void search()
      }}
    >
      <input class="grow" type="search" dir="auto" aria-label="Light up what answers a question" placeholder="Light up what answers a question" value={question} onInput={({ currentTarget }) => setQuestion(currentTarget.value)} />
      <button type="submit" class="primary">Light up</button>
      {hits && (
        <button
          type="button"
          onClick={() => {
            setQuestion('')
            onHits(null)
          }}
        >
          Clear
        </button>
      )}
      <small role="status" class={state.error ? 'bad' : 'quiet'} dir="auto">
        {state.error ?? (state.isLoading ? 'Searching …' : hits ? `${hits.length} found` : '')}
      </small>
    </form>
  )
}

/** What colours mean, and how many points have each: the map in words, too. */
function Legend({ field, legend, isDark, chosenCode, onChoose }: { field: MapData['fields'][number]; legend: ReturnType<typeof coloursOf>['legend']; isDark: boolean; chosenCode: number | null; onChoose: (code: number | null) => void }) {
  if (field.kind === 'number') {
    return (
      <div class="map-scale" role="img" aria-label={`${field.name} from ${field.least} to ${field.most}, dark to bright`}>
        <span>{field.least}</span>
        <canvas width={128} height={1} ref={(canvas) => void (canvas && paintScale(canvas, isDark))} />
        <span>{field.most}</span>
      </div>
    )
  }
  return (
    <ul class="map-legend" aria-label={`Colours of ${field.name}`}>
      {legend.map(({ code, name, count, colour }) => (
        <li key={code}>
          <button type="button" class="small" aria-pressed={chosenCode === code} onClick={() => onChoose(chosenCode === code ? null : code)}>
            <svg width="12" height="12" aria-hidden="true">
              <circle cx="6" cy="6" r="6" fill={`rgb(${colour.join(' ')})`} />
            </svg>
            <span dir="auto">{name === '' ? '(empty)' : name}</span>
            {count !== undefined && <span class="quiet">{showCount(count)}</span>}
          </button>
        </li>
      ))}
    </ul>
  )
}

function Hits({ hits, onShow }: { hits: readonly MapHit[]; onShow: (point: number) => void }) {
  const hidden = hits.filter(({ point }) => point < 0).length
  return (
    <section class="panel" aria-label="What was found">
      <h2>{hits.length === 0 ? 'Nothing found' : `${hits.length} found`}</h2>
      {hidden > 0 && <p class="quiet">{hidden === 1 ? 'One of them is' : `${hidden} of them are`} not on this map: newer than it, or not in its sample.</p>}
      <ol class="map-hits">
        {hits.map(({ key, title, text, point }) => (
          <li key={key}>
            <button type="button" class="plain" disabled={point < 0} onClick={() => onShow(point)}>
              <span dir="auto">{title}</span>
            </button>
            <span class="quiet" dir="auto">{text.slice(0, 140)}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function placeTip(tip: HTMLElement | null, { x, y }: { x: number; y: number }): void {
  if (!tip?.parentElement) return
  // Beside the point, and never over the edge.
  const { clientWidth } = tip.parentElement
  tip.style.left = `${Math.max(8, Math.min(x + 12, clientWidth - tip.offsetWidth - 8))}px`
  tip.style.top = `${y - tip.offsetHeight - 12 < 4 ? y + 14 : y - tip.offsetHeight - 12}px`
}

function paintScale(canvas: HTMLCanvasElement, isDark: boolean): void {
  const context = canvas.getContext('2d')!
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${scaleAt(x / (canvas.width - 1), isDark).join(' ')})`
    context.fillRect(x, 0, 1, 1)
  }
}

function groundOf(element: HTMLElement): Colour {
  const [r = 255, g = 255, b = 255] = (getComputedStyle(element).backgroundColor.match(/\d+/g) ?? []).map(Number)
  return [r, g, b]
}

/** Whether the console is shown dark, by its switch or as the system has it. */
function useDark(): boolean {
  const read = () => document.documentElement.dataset.theme === 'dark' || (document.documentElement.dataset.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  const [isDark, setDark] = useState(read)
  useEffect(() => {
    const update = () => setDark(read())
    const observer = new MutationObserver(update)
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', update)
    return () => {
      observer.disconnect()
      system.removeEventListener('change', update)
    }
  }, [])
  return isDark
}
