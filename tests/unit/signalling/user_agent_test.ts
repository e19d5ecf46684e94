import assert from "node:assert/strict";
import { parseUserAgent } from "../../../lib/signalling/user_agent.ts";

Deno.test("parseUserAgent() tells browsers apart that call themselves by each other's names", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
    "Chrome/140.0.0.0 Safari/537.36";
  const rows: [string, string, string][] = [
    [chrome, "Chrome", "Linux"],
    [`${chrome} Edg/140.0.0.0`, "Edge", "Linux"],
    ["Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Windows"],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 " +
      "(KHTML, like Gecko) CriOS/140.0.1 Mobile/15E148 Safari/604.1",
      "Chrome Mobile iOS",
      "iOS",
    ],
    ["OBS-Studio/31.0.2", "OBS Studio", ""],
    ["curl/8", "", ""],
    ["", "", ""],
  ];
  for (const [header, browser, os] of rows) {
    const parsed = parseUserAgent(header);
    assert.deepEqual([parsed.browser, parsed.os], [browser, os], header);
  }
});
