import { useConsole } from '../parts/context.ts'
import { useLoad } from '../parts/load.ts'
import { EmptyNote, ErrorNote, Figure, Loading } from '../parts/notes.tsx'
import { showBytes, showNoun, showTime } from '../quantities.ts'

interface Model {
  readonly repository: string
  readonly commit: string
  readonly revisions: readonly string[]
  readonly origin: string
  readonly filesTotal: number
  readonly filesInBucket: number
  readonly bytesTotal: number
  readonly bytesInBucket: number
  readonly bytesOnDisk: number
  readonly usedAt?: string
}

interface ModelsAnswer {
  readonly models: readonly Model[]
  readonly disk: { readonly isWritable: boolean; readonly usedBytes: number; readonly pinnedBytes: number; readonly budgetBytes: number; readonly freeBytes: number | null }
  readonly warnings: readonly string[]
}

export function ModelsPage() {
  const { api } = useConsole()
  const { value, error, reload } = useLoad((signal) => api.get<ModelsAnswer>('/v1/models', {}, signal), [])
  return (
    <div class="page">
      <div class="head">
        <div>
          <h1>Models</h1>
          <p>Files of models that the bucket keeps, and how much of them is on this server’s disk.</p>
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <>
          {value.warnings.map((warning) => (
            <p key={warning} class="note wrong" role="alert">
              {warning}
            </p>
          ))}
          <dl class="panel figures">
            <Figure label="On the disk" value={`${showBytes(value.disk.usedBytes)}`} />
            <Figure label="It may take" value={showBytes(value.disk.budgetBytes)} />
            <Figure label="In use" value={showBytes(value.disk.pinnedBytes)} />
            <Figure label="Free there" value={value.disk.freeBytes === null ? 'not known' : showBytes(value.disk.freeBytes)} />
          </dl>
          {value.models.length === 0 ? (
            <EmptyNote icon="models" title="No models in the bucket">
              <p>The built-in model needs none. One of the hub comes into the bucket when it is first pulled, and stays.</p>
              <pre>windlass models pull sentence-transformers/all-MiniLM-L6-v2</pre>
            </EmptyNote>
          ) : (
            <div class="panel scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Model</th>
                    <th scope="col">State</th>
                    <th scope="col" class="number">In the bucket</th>
                    <th scope="col" class="number">On this disk</th>
                    <th scope="col">Used</th>
                  </tr>
                </thead>
                <tbody>
                  {value.models.map((model) => (
                    <tr key={`${model.repository}@${model.commit}`}>
                      <td class="wide">
                        {model.repository}
                        <br />
                        <small class="quiet">
                          {[...model.revisions, model.commit.slice(0, 12)].join(', ')}, from {model.origin}
                        </small>
                      </td>
                      <td>{model.filesInBucket === model.filesTotal ? <span class="tag good">{showNoun(model.filesTotal, 'file')}</span> : <span class="tag">{`${model.filesInBucket} of ${showNoun(model.filesTotal, 'file')}`}</span>}</td>
                      <td class="number">{showBytes(model.bytesInBucket)}</td>
                      <td class="number">{showBytes(model.bytesOnDisk)}</td>
                      <td {...(model.usedAt && { title: model.usedAt })}>{model.usedAt ? showTime(model.usedAt, new Date()) : <span class="quiet">not here</span>}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </>
      )}
    </div>
  )
}
