import { useState } from 'preact/hooks'
import { excerpt, pieces, unwrap } from '../highlight.ts'
import { hrefOf } from '../router.ts'

export interface Passage {
  readonly key: string
  readonly source: string
  readonly title?: string
  readonly headingPath: readonly string[]
  readonly page?: number
  readonly lineStart?: number
  readonly lineEnd?: number
  readonly text: string
  readonly highlights: readonly { readonly start: number; readonly end: number }[]
  readonly score: number
  readonly distance?: number
  readonly textScore?: number
  readonly metadata: Readonly<Record<string, unknown>>
}

const excerptMax = 420

/** A passage that was found: where it stands, its words lit up, and why it is here. */
export function Hit({ passage, rank, bestTextScore, mode, collection, clustersProbed }: { passage: Passage; rank: number; bestTextScore: number; mode: string; collection: string; clustersProbed?: number }) {
  const [isWhole, setWhole] = useState(false)
  const { title, source, headingPath, text, highlights, metadata } = passage
  const joined = unwrap(text)
  const shown = isWhole ? { text: joined, ranges: highlights, isCut: true } : excerpt(joined, highlights, excerptMax)
  const fields = Object.entries(metadata)
  const places = [...headingPath, ...(passage.page === undefined ? [] : [`page ${passage.page}`]), ...(passage.lineStart === undefined ? [] : [linesOf(passage.lineStart, passage.lineEnd)])]
  return (
    <li class="hit">
      <div>
        <h3 dir="auto">
          <span class="quiet">{rank}. </span>
          {title ?? source}
        </h3>
        <p class="row quiet">
          {title !== undefined && <small dir="auto">{source}</small>}
          {places.length > 0 && <small dir="auto">{places.join(' › ')}</small>}
        </p>
      </div>
      <p class="text" dir="auto">
        {pieces(shown.text, shown.ranges).map(({ text: piece, isHit }, i) => (isHit ? <mark key={i}>{piece}</mark> : piece))}
      </p>
      <div class="row">
        {shown.isCut && (
          <button type="button" class="small plain" onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
            {isWhole ? 'Less' : 'The whole passage'}
          </button>
        )}
        {fields.map(([field, value]) => (
          <span key={field} class="tag" dir="auto">
            {field}: {typeof value === 'string' ? value : JSON.stringify(value)}
          </span>
        ))}
      </div>
      <Why passage={passage} bestTextScore={bestTextScore} mode={mode} collection={collection} {...(clustersProbed !== undefined && { clustersProbed })} />
    </li>
  )
}

function linesOf(start: number, end: number = start): string {
  return start === end ? `line ${start}` : `lines ${start}–${end}`
}

function Why({ passage: { score, distance, textScore, highlights, text, key }, bestTextScore, mode, collection, clustersProbed }: { passage: Passage; bestTextScore: number; mode: string; collection: string; clustersProbed?: number }) {
  const words = [...new Set(highlights.map(({ start, end }) => text.slice(start, end).toLowerCase()))].slice(0, 12)
  return (
    <details>
      <summary>Why this passage</summary>
      <div class="why">
        <div class="scroll">
          <table>
            <tbody>
              <tr>
                <th scope="row">Meaning</th>
                <td>{distance === undefined ? 'not asked' : <Meter share={1 - distance} />}</td>
                <td>{distance === undefined ? '' : `distance ${distance.toFixed(4)} from the question (0: the same)`}</td>
              </tr>
              <tr>
                <th scope="row">Words</th>
                <td>{textScore === undefined ? '' : <Meter share={bestTextScore > 0 ? textScore / bestTextScore : 0} isSecond />}</td>
                <td>{textScore === undefined ? (mode === 'vector' ? 'not asked' : 'none of the words is in it') : `BM25 ${textScore.toFixed(2)}, the best of these has ${bestTextScore.toFixed(2)}`}</td>
              </tr>
              <tr>
                <th scope="row">Together</th>
                <td colSpan={2}>{score.toFixed(4)}{mode === 'hybrid' ? ': half by meaning, half by words, each measured against the candidates of this query' : ''}</td>
              </tr>
            </tbody>
          </table>
        </div>
        {words.length > 0 && (
          <p class="row">
            <small class="quiet">Words of the question in it:</small>
            {words.map((word) => (
              <mark key={word} dir="auto">
                {word}
              </mark>
            ))}
          </p>
        )}
        {clustersProbed !== undefined && <small class="quiet">{clustersProbed === 0 ? 'Every vector was compared: the search was exact.' : `Found among the ${clustersProbed} nearest clusters of vectors.`}</small>}
        <a href={hrefOf('collections', [collection], { tab: 'records', key })}>The record</a>
      </div>
    </details>
  )
}

function Meter({ share, isSecond = false }: { share: number; isSecond?: boolean }) {
  return (
    <span class={isSecond ? 'meter second' : 'meter'} aria-hidden="true">
      <i style={{ width: `${Math.round(Math.max(0, Math.min(1, share)) * 100)}%` }} />
    </span>
  )
}
