import { describe, test } from 'vitest'
import { testObjectStore } from '../testing/store-conformance.ts'
import { MemoryStore } from './memory-store.ts'

describe('MemoryStore', () => testObjectStore(test, async () => new MemoryStore()))
