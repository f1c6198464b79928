// What kernels.wasm exports. Memory is the caller's: nothing here allocates.
export { addTo, assignRows } from './cluster'
export { dotAt, dotCodes, dotExact, dotMany, scoreCodesAt, squaredCodes, squaredExact, squaredMany } from './distance'
export { encodeBits, encodeBytes, encodeWords, sumMagnitudes } from './encode'
export { rotate } from './rotate'
export { makeTable, scanLists } from './scan'
export { selectKeys, sortKeys } from './select'
