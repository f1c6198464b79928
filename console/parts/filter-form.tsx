import { useId, useState } from 'preact/hooks'
import { needsValue, operatorNames, operatorsOf, type Condition, type Field, type Operator } from '../filters.ts'
import { Icon } from './icon.tsx'

/** Conditions that must all hold, on fields that the collection has. */
export function FilterForm({ fields, conditions, isLoading, onChange }: { fields: readonly Field[]; conditions: readonly Condition[]; isLoading: boolean; onChange(conditions: readonly Condition[]): void }) {
  const [drafts, setDrafts] = useState<readonly Condition[]>(conditions.length > 0 ? conditions : [{ field: fields[0]?.field ?? '', operator: 'is', value: '' }])
  const [known, setKnown] = useState(JSON.stringify(conditions))
  const lists = useId()
  // A facet changed them meanwhile.
  if (known !== JSON.stringify(conditions)) {
    setKnown(JSON.stringify(conditions))
    setDrafts(conditions)
  }
  const change = (i: number, part: Partial<Condition>) => setDrafts(drafts.map((draft, j) => (i === j ? { ...draft, ...part } : draft)))
  const apply = (next: readonly Condition[]) => {
    const whole = next.filter(({ field, operator, value }) => field !== '' && (!needsValue(operator) || value.trim() !== ''))
    setKnown(JSON.stringify(whole))
    onChange(whole)
  }
  if (!isLoading && fields.length === 0) {
    return <p class="panel quiet">The records of this collection have no metadata to filter by: give documents some when they are added.</p>
  }
  return (
    <form
      class="panel conditions"
      aria-label="Filters"
      onSubmit={(event) => {
        event.preventDefault()
        apply(drafts)
      }}
    >
      {drafts.map((draft, i) => (
        <Line key={i} draft={draft} fields={fields} listId={`${lists}-${i}`} onChange={(part) => change(i, part)} onRemove={() => {
          const next = drafts.filter((_, j) => j !== i)
          setDrafts(next)
          apply(next)
        }} />
      ))}
      <div class="row">
        <button type="submit" class="small primary">
          Apply
        </button>
        <button type="button" class="small" onClick={() => setDrafts([...drafts, { field: fields[0]?.field ?? '', operator: 'is', value: '' }])}>
          <Icon name="plus" size={16} />
          Add a condition
        </button>
        {conditions.length > 0 && (
          <button type="button" class="small plain" onClick={() => apply([])}>
            Clear all
          </button>
        )}
      </div>
    </form>
  )
}

function Line({ draft, fields, listId, onChange, onRemove }: { draft: Condition; fields: readonly Field[]; listId: string; onChange(part: Partial<Condition>): void; onRemove(): void }) {
  const field = fields.find((each) => each.field === draft.field)
  const names = fields.map((each) => each.field)
  return (
    <div class="row">
      <select aria-label="Field" value={draft.field} onChange={(event) => onChange({ field: event.currentTarget.value, value: '', operator: 'is' })}>
        {(names.includes(draft.field) ? names : [draft.field, ...names]).map((name) => (
          <option key={name} value={name}>
            {name === '' ? 'Choose a field' : name}
          </option>
        ))}
      </select>
      <select aria-label="Comparison" value={draft.operator} onChange={(event) => onChange({ operator: event.currentTarget.value as Operator })}>
        {operatorsOf(field?.types ?? ['string', 'number']).map((operator) => (
          <option key={operator} value={operator}>
            {operatorNames[operator]}
          </option>
        ))}
      </select>
      {needsValue(draft.operator) && (
        <>
          <input class="grow" aria-label="Value" dir="auto" list={listId} value={draft.value} placeholder={hintOf(draft.operator, field)} onInput={(event) => onChange({ value: event.currentTarget.value })} />
          <datalist id={listId}>{field?.values.map(({ value }) => <option key={String(value)} value={String(value)} />)}</datalist>
        </>
      )}
      <button type="button" class="small plain" aria-label={`Remove the condition on ${draft.field}`} onClick={onRemove}>
        <Icon name="cross" size={16} />
      </button>
    </div>
  )
}

function hintOf(operator: Operator, field: Field | undefined): string {
  if (operator === 'any-of') return 'Values, separated by commas'
  if (field?.min !== undefined && field.max !== undefined && (operator === 'at-least' || operator === 'at-most')) return `${field.min} to ${field.max}`
  return 'Value'
}
