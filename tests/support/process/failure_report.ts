/**
 * What a failing test says besides its own message: the last output of the servers that were there,
 * and what went wrong when its parts were put away, which the runtime would show instead of the
 * failure.
 *
 * @module
 */

/** Lines of one server's output that a failure shows. */
const LINES_SHOWN = 40;

/** The longest a test may take, ms; a hanging browser would hold up the whole run. */
const TEST_DEADLINE_MS = 240_000;
/** How often it is looked at whether that time is over, ms. */
const LOOK_MS = 500;

/** What is being built, and for how long that has been done in all, ms. */
let building = 0;
let builtMs = 0;

/** Builds or installs something on first use: no test has less time for that. */
export async function untimed<T>(build: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  building++;
  try {
    return await build();
  } finally {
    building--;
    builtMs += performance.now() - startedAt;
  }
}

/**
 * Runs the body of a test.
 *
 * @param output Called when it fails: the output of the servers it used, by name.
 * @throws What the body throws, with `output` added to its message; an {@linkcode Error} when it
 * has not ended after four minutes, those left out in which something was built for it.
 */
export async function reporting(
  body: () => Promise<void>,
  output: () => Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`The test did not end within ${TEST_DEADLINE_MS / 1_000} s`);
    const endsAt = performance.now() + TEST_DEADLINE_MS - builtMs;
    timer = setInterval(() => {
      if (building === 0 && performance.now() > endsAt + builtMs) reject(error);
    }, LOOK_MS);
  });
  try {
    await Promise.race([body(), late]);
  } catch (thrown) {
    const parts = Object.entries(output()).map(([name, lines]) =>
      [`--- last output of ${name} ---`, ...lines.slice(-LINES_SHOWN)].join("\n")
    );
    throw withAddition(thrown, parts);
  } finally {
    clearInterval(timer);
  }
}

/** The first error, its message followed by what came of putting things away and by `parts`. */
function withAddition(thrown: unknown, parts: readonly string[]): Error {
  const later: string[] = [];
  let first = thrown;
  while (first instanceof SuppressedError) {
    later.unshift(`--- and then: ${messageOf(first.error)}`);
    first = first.suppressed;
  }
  const error = first instanceof Error ? first : new Error(String(first));
  error.message = [error.message, ...later, ...parts].join("\n");
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
