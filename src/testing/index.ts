// `windlass/testing`: for those who write a store, or test against one that fails.
export { testDestination, type DestinationConformanceOptions, type DestinationPlace } from './destination-conformance.ts'
export { FaultyStore, type FaultOptions, type FaultRates, type FaultyOperation } from './faulty-store.ts'
export { serveObjects, type ObjectServer } from './object-server.ts'
export { startS3Vectors, type S3VectorsServer } from './servers.ts'
export { SimClock } from './sim-clock.ts'
export { testSource, type SourceConformanceOptions, type SourceFixture } from './source-conformance.ts'
export { testObjectStore, type ConformanceOptions } from './store-conformance.ts'
