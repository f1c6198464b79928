import type { Metadata } from '../../format/record.ts'

/** What a map may be coloured by: a metadata key, and a code for each point. 0: the point has no such value. */
export type MapField =
  | {
      readonly name: string
      readonly kind: 'text'
      /** Most frequent first; code c stands for `values[c - 1]`, and `otherCode` for all that are not listed. */
      readonly values: readonly { readonly value: string; readonly count: number }[]
      readonly codes: Uint8Array<ArrayBuffer>
    }
  | {
      readonly name: string
      readonly kind: 'number'
      readonly least: number
      readonly most: number
      /** 1 to 255: from `least` to `most` in equal steps. */
      readonly codes: Uint8Array<ArrayBuffer>
    }

/** The code of texts that are not among the most frequent. */
export const otherCode = 255

const fieldsMax = 16
const valuesMax = 32
/** Different texts of a field that are told apart. */
const distinctMax = 10_000

interface Collected {
  readonly values: Map<string, { id: number; count: number }>
  /** Per point: id + 1 of its text; 0 none, `distinctMax + 1` one too many. */
  readonly texts: Uint16Array
  readonly numbers: Float64Array
  textCount: number
  numberCount: number
}

/** Collects metadata of points, one after the other, for colouring. */
export class FieldCollector {
  readonly #count: number
  readonly #fields = new Map<string, Collected>()

  /** @param count Points there will be. */
  constructor(count: number) {
    this.#count = count
  }

  /** Text, yes-or-no and number values of the first keys that are met; lists and objects are nothing to colour by. */
  add(point: number, metadata: Metadata): void {
    for (const [name, value] of Object.entries(metadata)) {
      const isNumber = typeof value === 'number' || typeof value === 'bigint'
      if (!isNumber && typeof value !== 'string' && typeof value !== 'boolean') continue
      const field = this.#field(name)
      if (!field) continue
      if (isNumber) {
        field.numbers[point] = Number(value)
        field.numberCount++
      }
      const text = String(value).slice(0, 200)
      let known = field.values.get(text)
      if (!known && field.values.size < distinctMax) field.values.set(text, (known = { id: field.values.size, count: 0 }))
      if (known) known.count++
      field.texts[point] = (known?.id ?? distinctMax) + 1
      field.textCount++
    }
  }

  /** In the order the keys were met. Left out: fields of one value only, and those of which every value is another. */
  fields(): MapField[] {
    return [...this.#fields].flatMap(([name, field]) => {
      if (field.values.size < 2) return []
      // A few numbers are classes; many are a scale.
      if (field.numberCount === field.textCount && field.values.size > valuesMax) return [numberField(name, field)]
      const values = [...field.values].sort(([a, { count: n }], [b, { count: m }]) => m - n || (a < b ? -1 : 1))
      return values[0]![1].count === 1 ? [] : [textField(name, field, values)]
    })
  }

  #field(name: string): Collected | undefined {
    let field = this.#fields.get(name)
    if (!field && this.#fields.size < fieldsMax) {
      field = { values: new Map(), texts: new Uint16Array(this.#count), numbers: new Float64Array(this.#count).fill(NaN), textCount: 0, numberCount: 0 }
      this.#fields.set(name, field)
    }
    return field
  }
}

function textField(name: string, { texts }: Collected, values: readonly (readonly [string, { id: number; count: number }])[]): MapField {
  const codeOf = new Uint8Array(distinctMax + 2).fill(otherCode)
  codeOf[0] = 0
  const shown = values.slice(0, valuesMax)
  shown.forEach(([, { id }], i) => (codeOf[id + 1] = i + 1))
  return { name, kind: 'text', values: shown.map(([value, { count }]) => ({ value, count })), codes: Uint8Array.from(texts, (text) => codeOf[text]!) }
}

function numberField(name: string, { numbers }: Collected): MapField {
  let [least, most] = [Infinity, -Infinity]
  for (const value of numbers) {
    if (!Number.isFinite(value)) continue
    if (value < least) least = value
    if (value > most) most = value
  }
  const scale = most > least ? 254 / (most - least) : 0
  return { name, kind: 'number', least, most, codes: Uint8Array.from(numbers, (value) => (Number.isFinite(value) ? 1 + Math.round((value - least) * scale) : 0)) }
}
