import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { docsRoutes } from "../../../routes/docs.ts";

/** Asks for pages of a site with these files; `../secret.txt` lies beside it. */
async function withSite(
  act: (get: (path: string, init?: RequestInit) => Promise<Response>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "roomwire_docs_" });
  try {
    const site = pathToFileURL(`${folder}/site/`);
    const files = {
      "index.html": "<!doctype html>home",
      "quick_start.html": "<!doctype html>quick",
      "assets/site.css": "a {}",
      "assets/search_index.json": "[]",
      "files/deploy/caddy/Caddyfile.txt": "caddy",
      "assets/program.exe": "no",
      "../secret.txt": "secret",
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(new URL(".", new URL(name, site)), { recursive: true });
      await Deno.writeTextFile(new URL(name, site), text);
    }
    const routes = docsRoutes(site);
    await act(async (path, init) => {
      const request = new Request(`http://sfu.example${path}`, init);
      const url = new URL(request.url);
      const route = routes(url.pathname);
      if (route === undefined) return new Response("nobody's", { status: 421 });
      const exchange = { request, url, path: url.pathname, token: undefined, receivedAt: 0 };
      return await route({ ...exchange, socketAddress: "" });
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("/docs/ serves pages by their names, and files beside them", () =>
  withSite(async (get) => {
    const rows: readonly (readonly [path: string, type: RegExp, text: string])[] = [
      ["/docs/", /^text\/html/, "<!doctype html>home"],
      ["/docs/quick_start", /^text\/html/, "<!doctype html>quick"],
      ["/docs/assets/site.css", /^text\/css/, "a {}"],
      ["/docs/assets/search_index.json", /^application\/json/, "[]"],
      ["/docs/files/deploy/caddy/Caddyfile.txt", /^text\/plain/, "caddy"],
    ];
    for (const [path, type, text] of rows) {
      const response = await get(path);
      assert.equal(response.status, 200, path);
      assert.match(response.headers.get("Content-Type")!, type, path);
      assert.equal(await response.text(), text, path);
      assert.match(response.headers.get("Content-Security-Policy")!, /^default-src 'none'; /);
      const tag = response.headers.get("ETag")!;
      const again = await get(path, { headers: { "If-None-Match": tag } });
      assert.deepEqual([again.status, await again.text()], [304, ""], path);
    }
    const head = await get("/docs/", { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  }));

Deno.test("/docs leads to /docs/, from where links of pages are right", () =>
  withSite(async (get) => {
    const { status, headers } = await get("/docs");
    assert.deepEqual([status, headers.get("Location")], [308, "/docs/"]);
  }));

Deno.test("/docs serves nothing outside of the site, nothing unknown, and takes nothing", () =>
  withSite(async (get) => {
    for (
      const path of [
        "/docs/nothing",
        "/docs/../secret.txt",
        "/docs/..%2fsecret.txt",
        "/docs/assets/..%2f..%2fsecret.txt",
        "/docs/assets//site.css",
        "/docs/assets/",
        "/docs/.git",
        "/docs/assets/program.exe",
        "/docs/%00",
        "/docs/files/a/b/c/d/e.txt",
      ]
    ) {
      const response = await get(path);
      assert.ok([404, 421].includes(response.status), path);
      assert.doesNotMatch(await response.text(), /secret/);
    }
    assert.equal((await get("/docsy")).status, 421);
    assert.equal((await get("/docs/", { method: "POST" })).status, 405);
  }));
