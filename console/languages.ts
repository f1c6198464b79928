/** Languages of full-text search, as the server names them; a test compares. `none` leaves words as they are. */
export const languages = ['english', 'none', 'arabic', 'danish', 'dutch', 'finnish', 'french', 'german', 'hungarian', 'italian', 'norwegian', 'portuguese', 'romanian', 'russian', 'spanish', 'swedish', 'turkish'] as const
