/** What a computation in steps comes to, without giving way between them. */
export function finish<Result>(steps: Generator<unknown, Result>): Result {
  for (;;) {
    const { value, done } = steps.next()
    if (done) return value
  }
}

/** The same, letting others work after each step. */
export async function finishInTurns<Result>(steps: Generator<unknown, Result>, giveWay: () => Promise<void>): Promise<Result> {
  for (;;) {
    const { value, done } = steps.next()
    if (done) return value
    await giveWay()
  }
}
