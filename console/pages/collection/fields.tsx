import { pathOf } from '../../api.ts'
import type { Field } from '../../filters.ts'
import { useConsole } from '../../parts/context.ts'
import { useLoad } from '../../parts/load.ts'
import { EmptyNote, ErrorNote, Loading } from '../../parts/notes.tsx'
import { showCount, showNoun } from '../../quantities.ts'
import { hrefOf } from '../../router.ts'
import { bookkeeping } from '../search.tsx'

const valuesShown = 8

/** What metadata the records have, in a sample. */
export function FieldsTab({ collection }: { collection: string }) {
  const { api } = useConsole()
  const { value, error, reload } = useLoad((signal) => api.get<{ fields: Field[]; hasAllFields: boolean; sampledCount: number; isComplete: boolean }>(`${pathOf('v1', 'collections', collection)}/fields`, { sample: 5000 }, signal), [collection])
  if (error) return <ErrorNote error={error} onRetry={reload} />
  if (!value) return <Loading lines={5} />
  // What finds a passage's place again is nothing to filter by.
  const fields = value.fields.filter(({ field }) => !bookkeeping.has(field))
  if (fields.length === 0) {
    return (
      <EmptyNote icon="collections" title="No metadata">
        <p>None of the records has any. What is given with a document when it is added can be filtered by.</p>
      </EmptyNote>
    )
  }
  return (
    <div class="panel">
      <p class="quiet">{value.isComplete ? `In all ${showNoun(value.sampledCount, 'record')}.` : `In the first ${showNoun(value.sampledCount, 'record')}.`}{value.hasAllFields ? '' : ' There are more fields than are told here.'} A value leads to a search with that filter.</p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">Type</th>
              <th scope="col" class="number">Records</th>
              <th scope="col">Values</th>
            </tr>
          </thead>
          <tbody>
            {fields.map(({ field, types, count, values, isComplete, min, max }) => (
              <tr key={field}>
                <td class="wide" dir="auto">
                  {field}
                </td>
                <td>{types.join(', ')}</td>
                <td class="number">{showCount(count)}</td>
                <td class="wide">
                  <span class="row">
                    {min !== undefined && max !== undefined && values.length > 2 && (
                      <span class="quiet">
                        {min} to {max}
                      </span>
                    )}
                    {values.slice(0, valuesShown).map((each) => (
                      <a key={String(each.value)} class="tag" dir="auto" href={hrefOf('search', [collection], { f: JSON.stringify([{ field, operator: 'is', value: String(each.value) }]) })}>
                        {String(each.value)} <small>{showCount(each.count)}</small>
                      </a>
                    ))}
                    {(!isComplete || values.length > valuesShown) && <span class="quiet">and others</span>}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  )
}
