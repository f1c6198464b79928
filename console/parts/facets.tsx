import type { Condition, Field } from '../filters.ts'
import { showCount } from '../quantities.ts'

const fieldsMax = 6
const valuesMax = 6
// A field whose values are nearly all different names things; it is no kind.
const distinctShareMax = 0.5

/** Fields whose values sort records into few kinds. */
export function facetsOf(fields: readonly Field[], sampledCount: number): Field[] {
  return [...fields]
    // What people gave their records comes first; of what we wrote, only the file is a kind of its own.
    .sort((a, b) => Number(a.field === 'source') - Number(b.field === 'source'))
    .filter(({ field, values, isComplete, count }) => field !== 'heading' && field !== 'title' && values.length > 0 && (isComplete || values[0]!.count > 2) && (values.length <= 2 || values.length < count * distinctShareMax) && sampledCount > 1)
    .slice(0, fieldsMax)
}

/** One value of a field, chosen with a press; another press lets it go. */
export function Facets({ fields, conditions, sampledCount, isComplete, onChange }: { fields: readonly Field[]; conditions: readonly Condition[]; sampledCount: number; isComplete: boolean; onChange(conditions: readonly Condition[]): void }) {
  const facets = facetsOf(fields, sampledCount)
  if (facets.length === 0) return null
  return (
    <div class="panel">
      <h2>Narrow down</h2>
      {facets.map(({ field, values }) => (
        <div key={field} class="facet">
          <h3>{field}</h3>
          {values.slice(0, valuesMax).map(({ value, count }) => {
            const text = String(value)
            const isOn = conditions.some((each) => each.field === field && each.operator === 'is' && each.value === text)
            const rest = conditions.filter((each) => each.field !== field || each.operator !== 'is')
            return (
              <button key={text} type="button" aria-pressed={isOn} onClick={() => onChange(isOn ? rest : [...rest, { field, operator: 'is', value: text }])}>
                <span dir="auto" title={text}>
                  {text === '' ? '(empty)' : shortened(text)}
                </span>
                <span class="quiet">{showCount(count)}</span>
              </button>
            )
          })}
        </div>
      ))}
      {!isComplete && <small class="quiet">Counted in the first {showCount(sampledCount)} records.</small>}
    </div>
  )
}

const pathPartsShown = 2

/** Paths begin alike, and differ at their ends. */
function shortened(text: string): string {
  const parts = text.split('/')
  return parts.length <= pathPartsShown ? text : `…/${parts.slice(-pathPartsShown).join('/')}`
}
