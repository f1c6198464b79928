import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { asApiError } from './load.ts'
import { ErrorNote } from './notes.tsx'
import type { ApiError } from '../api.ts'

/** A question in front of the page; the browser keeps the focus in it, and Escape leaves it. */
export function Dialog({ title, action, isDangerous = false, onConfirm, onClose, children }: { title: string; action: string; isDangerous?: boolean; onConfirm(): Promise<void>; onClose(): void; children?: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null)
  const heading = useId()
  const [error, setError] = useState<ApiError | null>(null)
  const [isBusy, setBusy] = useState(false)
  useEffect(() => {
    element.current!.showModal()
  }, [])
  const confirm = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      await onConfirm()
      onClose()
    } catch (caught) {
      setError(asApiError(caught))
    } finally {
      setBusy(false)
    }
  }
  return (
    <dialog ref={element} aria-labelledby={heading} onClose={onClose}>
      <form onSubmit={(event) => void confirm(event)}>
        <h2 id={heading} dir="auto">
          {title}
        </h2>
        {children}
        {error && <ErrorNote error={error} />}
        <div class="row end">
          <button type="button" onClick={() => element.current!.close()}>
            Cancel
          </button>
          <button type="submit" class={isDangerous ? 'danger' : 'primary'} disabled={isBusy}>
            {isBusy ? 'Working …' : action}
          </button>
        </div>
      </form>
    </dialog>
  )
}
