/**
 * Programs that this process started, brought to a stop with all that they started: as when a lid is
 * closed, or a debugger waits. Sockets and connections stay.
 *
 * @module
 */

/** Frozen until it is disposed. */
export class FrozenProcesses implements Disposable {
  private constructor(readonly pids: readonly number[]) {}

  /**
   * Freezes every process under this one whose command line matches, and those under it.
   *
   * @throws {Error} where one of the patterns matches none.
   */
  static matching(patterns: readonly RegExp[]): FrozenProcesses {
    const family = descendantsOf(Deno.pid);
    const roots = patterns.map((pattern) => {
      const found = family.filter((pid) => pattern.test(commandLineOf(pid)));
      if (found.length === 0) throw new Error(`no process of ours matches ${pattern}`);
      return found;
    }).flat();
    const pids = [...new Set(roots.flatMap((pid) => [pid, ...descendantsOf(pid)]))];
    const frozen = new FrozenProcesses(pids);
    frozen.#signal("SIGSTOP");
    return frozen;
  }

  [Symbol.dispose](): void {
    this.#signal("SIGCONT");
  }

  #signal(signal: "SIGSTOP" | "SIGCONT"): void {
    for (const pid of this.pids) {
      try {
        Deno.kill(pid, signal);
      } catch {
        // It has ended.
      }
    }
  }
}

/** What a process started, and what that started. */
function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : undefined;
    if (parent !== undefined) children.set(parent, [...children.get(parent) ?? [], Number(name)]);
  }
  const all: number[] = [];
  const add = (pid: number) => {
    for (const child of children.get(pid) ?? []) {
      all.push(child);
      add(child);
    }
  };
  add(root);
  return all;
}

/** The second field behind the name, which may hold anything (proc(5), `/proc/<pid>/stat`). */
function parentOf(pid: string): number | undefined {
  const text = read(pid, "stat");
  return text === "" ? undefined : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

function commandLineOf(pid: number): string {
  return read(String(pid), "cmdline").replaceAll("\0", " ");
}

/** Empty once the process has ended. */
function read(pid: string, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return "";
  }
}
