import assert from "node:assert/strict";
import { dropsOf } from "../../../bench/kernel_drops.ts";

const TABLE = [
  "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
  " 1153: 0100007F:9C41 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53121 2 0000000000000000 12",
  " 1154: 0100007F:9C42 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53122 2 0000000000000000 500",
  " 1155: 0100007F:9C43 0100007F:1EC2 01 00000000:00000000 00:00000000 00000000     0        0 53123 2 0000000000000000 3",
  "",
].join("\n");

Deno.test("dropsOf() sums the drops of the given sockets", () => {
  assert.equal(dropsOf(TABLE, new Set(["53121", "53123"])), 15);
  assert.equal(dropsOf(TABLE, new Set()), 0);
  assert.equal(dropsOf("", new Set(["53121"])), 0);
});
