/** Follows a document's headings and tells the path of what comes under them. */
export class HeadingTrail {
  #open: { level: number; text: string }[] = []
  #path: readonly string[] = []

  /** Headings above, outermost first. The same array until the next heading. */
  get path(): readonly string[] {
    return this.#path
  }

  /** Enters a heading: it closes those of its own level and below. Skipped levels are not filled in. */
  enter(level: number, text: string): readonly string[] {
    this.#open = [...this.#open.filter((heading) => heading.level < level), { level, text }]
    this.#path = this.#open.map((heading) => heading.text)
    return this.#path
  }
}
