/**
 * Datagrams the kernel dropped because a socket of a process was not read in time: tells whose fault
 * a loss was.
 *
 * @module
 */

/** Columns of `/proc/net/udp`, from 0. */
const INODE = 9;
const DROPS = 12;

/** All UDP sockets of a process together, this one by default; 0 where the system does not tell. */
export function kernelDrops(pid: number | "self" = "self"): number {
  try {
    const inodes = new Set<string>();
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      const target = linkOf(`/proc/${pid}/fd/${name}`);
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
    return dropsOf(Deno.readTextFileSync("/proc/net/udp"), inodes);
  } catch {
    return 0;
  }
}

/** Sums the drops of these sockets in a table as in `/proc/net/udp`. */
export function dropsOf(table: string, inodes: ReadonlySet<string>): number {
  let drops = 0;
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (inodes.has(columns[INODE] ?? "")) drops += Number(columns[DROPS]);
  }
  return drops;
}

/** The descriptor that lists the folder is gone by the time it is looked at. */
function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}
