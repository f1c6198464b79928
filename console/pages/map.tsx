import { useEffect, useRef, useState } from 'preact/hooks'
import { CollectionChoice, chooseCollection, useCollections } from '../parts/collection-choice.tsx'
import { useConsole } from '../parts/context.ts'
import { asApiError } from '../parts/load.ts'
import { ErrorNote, Loading } from '../parts/notes.tsx'
import type { ApiError } from '../api.ts'
import type { Place } from '../router.ts'
import { NoCollections } from './search.tsx'

export function MapPage({ place }: { place: Place }) {
  const collections = useCollections()
  if (collections.error) return <ErrorNote error={collections.error} onRetry={collections.reload} />
  if (!collections.value) return <Loading />
  const chosen = chooseCollection(collections.value.collections, place.parts[0])
  if (chosen === undefined) return <NoCollections />
  return (
    <div class="page">
      <div class="head">
        <h1>Map</h1>
        <CollectionChoice page="map" collections={collections.value.collections} chosen={chosen} />
      </div>
      <Stage key={chosen} collection={chosen} />
    </div>
  )
}

/** The map comes when this page is first opened: it is more than the rest of the console needs. */
function Stage({ collection }: { collection: string }) {
  const { api } = useConsole()
  const element = useRef<HTMLDivElement>(null)
  const [error, setError] = useState<ApiError | null>(null)
  useEffect(() => {
    let unmount: (() => void) | undefined
    let isLeft = false
    import('../map/mount-map.ts')
      .then(({ mountMap }) => {
        if (isLeft) return
        const map = mountMap(element.current!, { collection, api })
        unmount = () => map.destroy()
      })
      .catch((caught: unknown) => setError(asApiError(caught)))
    return () => {
      isLeft = true
      unmount?.()
    }
  }, [collection, api])
  return (
    <>
      {error && <ErrorNote error={error} />}
      <div ref={element} />
    </>
  )
}
