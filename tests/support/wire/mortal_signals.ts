/**
 * Two ways to kill the worker this is imported into: told to `vanish`, it ends without a word; told
 * to `fail`, by an error that nobody catches. Imported before the worker's program.
 *
 * @module
 */
interface Scope extends EventTarget {
  close(): void;
}

const scope = globalThis as unknown as Scope;
scope.addEventListener("error", (event) => {
  // Before the program's own listener, which would survive it.
  if ((event as ErrorEvent).message.includes("mortal")) event.stopImmediatePropagation();
});
scope.addEventListener("message", (event) => {
  const { data } = event as MessageEvent;
  if (data === "vanish") scope.close();
  if (data === "fail") throw new Error("mortal");
});

export {};
