/**
 * The layout's rules as a test: which folder may import which, what is pure, who may use which
 * package, and how files are named and sized. `docs/architecture.md` explains them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { linksOf, namesInCode } from "./support/page_scanner.ts";
import { blankNonCode, functionsOf, importsOf } from "./support/source_scanner.ts";

const ROOT = new URL("../", import.meta.url);
const ROOT_FILES = ["main.ts", "mod.ts"];

/** A folder may import itself and folders of a lower rank; equal ranks never import each other. */
const RANK: Readonly<Record<string, number>> = {
  "lib/base": 0,
  "lib/wire": 1,
  "lib/negotiation": 2,
  "lib/media": 2,
  "lib/bandwidth": 2,
  "lib/transport": 2,
  "lib/recording": 2,
  "lib/engine": 3,
  "lib/room": 4,
  "lib/admin": 5,
  "lib/egress": 6,
  "lib/signalling": 6,
  "lib/agents": 7,
  "lib/ingress": 7,
  "lib/watch": 7,
  "lib/cluster": 8,
  "routes": 8,
  "lib/server": 9,
  "": 10,
};

/**
 * The same inside folders that hold several ideas, from the first on: those that stand together
 * never import each other. Files on top of all of them, in the folder itself, come last; what is
 * counted everywhere (`drop_reasons.ts`) comes first.
 */
const INSIDE: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "lib/media": [["layer"], ["packet", "select"], ["up", "down"]],
  "lib/transport": [["crypto", "datagrams", "sctp"], ["srtp", "ice"], ["dtls", "tcp"], ["turn"]],
  "lib/recording": [["frames"], ["container"]],
  "lib/engine": [["messages"], ["relay"], ["data"], ["local", "pool"], ["worker"]],
  "lib/room": [
    ["context"],
    ["registry"],
    ["data", "subscription"],
    ["connection"],
    ["participant"],
    ["measure"],
  ],
  "lib/cluster": [["directory", "link"], ["carry", "media", "mirror"]],
  "lib/server": [
    ["log"],
    ["config"],
    ["webhooks", "ffmpeg"],
    ["metrics", "http", "check", "storage", "top"],
  ],
};

/** Where a file stands inside its folder; {@linkcode INSIDE}'s end for those on top. */
function placeInside({ folder, path }: SourceFile): { name: string; rank: number } | undefined {
  const order = INSIDE[folder];
  if (order === undefined) return undefined;
  if (path === `${folder}/drop_reasons.ts`) return { name: "drop_reasons", rank: 0 };
  const name = path.slice(folder.length + 1).split("/").slice(0, -1).join("/");
  if (name === "") return { name, rank: order.length + 1 };
  const rank = order.findIndex((names) => names.includes(name));
  return { name, rank: rank < 0 ? rank : rank + 1 };
}

const PURE: ReadonlySet<string> = new Set([
  "lib/wire",
  "lib/negotiation",
  "lib/media",
  "lib/bandwidth",
]);

/** What a pure folder may not even name. */
const AMBIENT =
  /\b(?:Deno|console|performance|Date|setTimeout|setInterval|queueMicrotask|crypto|fetch|process)\b|\bMath\s*\.\s*random\b/;

/** Packages (and `node:` modules) by folder; what is not listed may not be imported there. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "lib/base": ["async-mutex"],
  "lib/wire": ["@livekit/protocol", "@msgpack/msgpack", "sdp-transform"],
  "lib/negotiation": [],
  "lib/media": [],
  "lib/bandwidth": [],
  "lib/transport": [
    "node:buffer",
    "node:crypto",
    "node:dgram",
    "node:dns",
    "node:net",
    "node:timers",
    "node:tls",
  ],
  "lib/engine": [],
  "lib/recording": [],
  "lib/room": ["@livekit/protocol"],
  "lib/admin": ["@livekit/protocol", "@bufbuild/protobuf"],
  "lib/agents": ["@livekit/protocol", "@bufbuild/protobuf"],
  "lib/egress": ["@livekit/protocol", "@bufbuild/protobuf", "node:zlib"],
  "lib/ingress": ["@livekit/protocol"],
  "lib/watch": ["@livekit/protocol"],
  "lib/signalling": [
    "@livekit/protocol",
    "@bufbuild/protobuf",
    "node:crypto",
    "node:zlib",
  ],
  "lib/cluster": ["node:crypto", "redis", "@livekit/protocol", "@bufbuild/protobuf"],
  "routes": ["@livekit/protocol", "@bufbuild/protobuf"],
  "lib/server": [
    "@livekit/protocol",
    "@logtape/logtape",
    "@opentelemetry/api",
    "aws4fetch",
    "commander",
    "node:buffer",
    "node:crypto",
    "node:http",
    "node:net",
    "node:os",
    "node:process",
    "node:tls",
    "node:zlib",
    "@platformatic/prom-client",
    "ws",
    "yaml",
    "zod",
  ],
  "": [],
};

/** Single files that may use a package their folder may not, each with its reason. */
const PACKAGE_EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {};

/** Files (or folders) that touch the runtime, each for one purpose. */
const MAY_USE_DENO: readonly string[] = [
  "lib/base/deno_platform.ts", // the platform itself
  "lib/transport/", // sockets
  "lib/server/", // files, environment, signals
  "routes/static_file.ts", // reads the pages it serves
  "main.ts", // arguments and exit status
];

/** Files that may read a clock, set a timer or draw a random number by themselves. */
const MAY_USE_TIME: readonly string[] = [
  "lib/base/deno_platform.ts", // the platform itself
  "lib/server/serve.ts", // the last timer before the process ends
  "lib/server/commands.ts", // the date of a token made on the command line
];
const AMBIENT_TIME =
  /\b(?:performance|setTimeout|setInterval)\b|\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bMath\s*\.\s*random\b|\bcrypto\s*\.\s*(?:getRandomValues|randomUUID)\b/;

/** A function fits on a screen. */
const MAX_FUNCTION_LINES = 60;
/** Imports of one file; what composes others may have more. */
const MAX_IMPORTS = 20;
/** Files that compose others. */
const COMPOSES: readonly string[] = [
  "lib/server/composed_server.ts", // the process
];
/** A file is one idea; some ideas are long. */
const MAX_LINES = 600;
/** Longer files, each with the reason why it is better whole. */
const LONGER: Readonly<Record<string, string>> = {};

const FORBIDDEN_NAME = /(?:^|_)(?:utils?|helpers?|types|managers?|index)(?:_|\.ts$)/;

interface SourceFile {
  /** Relative to the project, with `/`. */
  readonly path: string;
  /** `lib/room`, `routes`, or empty at the top. */
  readonly folder: string;
  readonly source: string;
  readonly code: string;
}

const files = loadFiles();
const byPath = new Map(files.map((file) => [file.path, file]));

function loadFiles(): SourceFile[] {
  const paths = [...ROOT_FILES, ...walk("lib"), ...walk("routes")];
  return paths.filter((path) => path.endsWith(".ts")).map((path) => {
    const source = Deno.readTextFileSync(new URL(path, ROOT));
    const folder = path.split("/").slice(0, path.startsWith("lib/") ? 2 : 1).join("/");
    return {
      path,
      folder: ROOT_FILES.includes(path) ? "" : folder,
      source,
      code: blankNonCode(source),
    };
  });
}

/** Pages that name files. */
const PAGES: readonly string[] = [
  "README.md",
  "tests/support/README.md",
  "bench/README.md",
  ...walk("docs").filter((path) => path.endsWith(".md")),
];

/** Everything that a page may name. */
const nameable: readonly string[] = [
  ...files.map(({ path }) => path),
  ...["bench", "build", "docs", "examples", "tests", "web"].flatMap(walk),
];

function walk(folder: string): string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, ROOT))].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory ? walk(path) : [path];
  });
}

/** Project path of a relative import, or `undefined` for a package. */
function targetOf(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `http://x/${file.path}`).pathname.slice(1);
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]!;
}

/** `path:line: text` of every code match. */
function matches(file: SourceFile, pattern: RegExp): string[] {
  return file.code.split("\n").flatMap((line, index) => {
    const match = pattern.exec(line);
    return match === null ? [] : [`${file.path}:${index + 1}: ${match[0]}`];
  });
}

function assertNone(violations: readonly string[]): void {
  assert.deepEqual(violations, []);
}

Deno.test("architecture: the scan sees the whole project", () => {
  for (const path of ["main.ts", "lib/base/ids.ts", "routes/route_table.ts"]) {
    assert.ok(byPath.has(path), path);
  }
  assert.ok(files.every(({ folder }) => folder in RANK), "a folder has no rank");
  assert.ok(files.every(({ folder }) => folder in PACKAGES), "a folder has no package list");
});

Deno.test("architecture: imports go one way", () => {
  assertNone(files.flatMap((file) =>
    importsOf(file.source).flatMap(({ specifier, line }) => {
      const target = targetOf(file, specifier);
      if (target === undefined || target === "deno.json") return [];
      const other = byPath.get(target);
      const allowed = other !== undefined &&
        (other.folder === file.folder || RANK[other.folder]! < RANK[file.folder]!);
      return allowed ? [] : [`${file.path}:${line}: ${specifier}`];
    })
  ));
});

Deno.test("architecture: imports go one way inside a folder, too", () => {
  assertNone(files.flatMap((file) => {
    const here = placeInside(file);
    if (here === undefined) return [];
    if (here.rank < 0) return [`${file.path}: ${here.name} has no place`];
    return importsOf(file.source).flatMap(({ specifier, line }) => {
      const target = targetOf(file, specifier);
      const other = target === undefined ? undefined : byPath.get(target);
      if (other === undefined || other.folder !== file.folder) return [];
      const there = placeInside(other)!;
      const allowed = there.name === here.name || there.rank < here.rank;
      return allowed ? [] : [`${file.path}:${line}: ${specifier}`];
    });
  }));
});

Deno.test("architecture: folders without sub-folders have none", () => {
  assertNone(
    files.filter(({ folder, path }) =>
      folder !== "" && !(folder in INSIDE) && path.slice(folder.length + 1).includes("/")
    ).map(({ path }) => path),
  );
});

Deno.test("architecture: what a pool says to its engines is not said by anybody else", () => {
  const own = /\/(?:engine_messages|neighbour_messages)\.ts$/;
  assertNone(
    files.filter(({ folder }) => folder !== "lib/engine").flatMap((file) =>
      importsOf(file.source).filter(({ specifier }) => own.test(specifier))
        .map(({ specifier, line }) => `${file.path}:${line}: ${specifier}`)
    ),
  );
});

Deno.test("architecture: packages are imported only where they belong, by their bare names", () => {
  assertNone(files.flatMap((file) => {
    const allowed = [...PACKAGES[file.folder] ?? [], ...PACKAGE_EXCEPTIONS[file.path] ?? []];
    return importsOf(file.source)
      .filter(({ specifier }) => targetOf(file, specifier) === undefined)
      .filter(({ specifier }) => !allowed.includes(packageOf(specifier)))
      .map(({ specifier, line }) => `${file.path}:${line}: ${specifier}`);
  }));
});

Deno.test("architecture: only lib/transport calls Deno.dlopen", () => {
  assertNone(
    files.filter(({ folder }) => folder !== "lib/transport")
      .flatMap((file) => matches(file, /\bdlopen\b/)),
  );
});

Deno.test("architecture: wire, negotiation, media and bandwidth name nothing ambient", () => {
  assertNone(
    files.filter(({ folder }) => PURE.has(folder)).flatMap((file) => matches(file, AMBIENT)),
  );
});

Deno.test("architecture: the runtime is touched only where it must be", () => {
  assertNone(
    files.filter(({ path }) => !MAY_USE_DENO.some((allowed) => path.startsWith(allowed)))
      .flatMap((file) => matches(file, /\bDeno\b|\bprocess\s*\./)),
  );
});

Deno.test("architecture: clocks, timers and randomness come from the platform", () => {
  assertNone(
    files.filter(({ path }) => !MAY_USE_TIME.includes(path))
      .flatMap((file) => matches(file, AMBIENT_TIME)),
  );
});

Deno.test("architecture: nothing logs to the console by itself", () => {
  assertNone(files.flatMap((file) => matches(file, /\bconsole\s*\.\s*(?:log|warn|error|info)\b/)));
});

Deno.test("architecture: there are no import cycles, not even of types", () => {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    const file = byPath.get(path);
    for (const { specifier } of file === undefined ? [] : importsOf(file.source)) {
      const target = targetOf(file!, specifier);
      if (target !== undefined) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  assertNone(cycles);
});

Deno.test("architecture: no file in lib only re-exports others", () => {
  assertNone(
    files.filter(({ folder }) => folder !== "").filter(({ code }) => {
      const rest = code.replace(/\bexport\b[^;]*?\bfrom\s*(["'])\s*\1\s*;?/g, "").trim();
      return rest === "" && code.includes("export");
    }).map(({ path }) => path),
  );
  assertNone(
    files.filter(({ folder }) => folder !== "")
      .flatMap((file) => matches(file, /\bexport\s*\*/)),
  );
});

Deno.test("architecture: file names are snake_case and say what they hold", () => {
  assertNone(
    files.map(({ path }) => path).filter((path) => {
      const name = path.split("/").at(-1)!;
      return !/^[a-z0-9]+(?:_[a-z0-9]+)*\.ts$/.test(name) || FORBIDDEN_NAME.test(name);
    }),
  );
});

Deno.test("architecture: files have at most 600 lines, or a reason", () => {
  const long = files.filter(({ source }) => source.trimEnd().split("\n").length > MAX_LINES);
  assertNone(long.map(({ path }) => path).filter((path) => !(path in LONGER)));
  assertNone(Object.keys(LONGER).filter((path) => !long.some((file) => file.path === path)));
});

Deno.test("architecture: functions have at most 60 lines", () => {
  assertNone(
    files.flatMap(({ path, code }) =>
      functionsOf(code).filter(({ lines }) => lines > MAX_FUNCTION_LINES)
        .map(({ line, lines }) => `${path}:${line}: ${lines} lines`)
    ),
  );
});

Deno.test("architecture: files have at most 20 imports, but for those that compose", () => {
  assertNone(
    files.filter(({ path }) => !COMPOSES.includes(path))
      .map(({ path, source }) => ({ path, count: importsOf(source).length }))
      .filter(({ count }) => count > MAX_IMPORTS).map(({ path, count }) => `${path}: ${count}`),
  );
});

Deno.test("architecture: comments wrap at 100 characters, and say what they mean where they stand", () => {
  assertNone(files.flatMap(({ path, source }) =>
    source.split("\n").flatMap((line, index) => {
      const isComment = /^\s*(?:\/\*\*|\*|\/\/)/.test(line);
      const isBad = isComment && ([...line].length > 100 || /See the module/.test(line));
      return isBad ? [`${path}:${index + 1}: ${line.trim().slice(0, 60)}`] : [];
    })
  ));
});

Deno.test("architecture: every module begins with its contract", () => {
  assertNone(
    files.filter(({ source }) => !/^\/\*\*[\s\S]*?@module\s*\*\//.test(source))
      .map(({ path }) => path),
  );
});

/** Folders with the same rank, as the pages write them. */
function together(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `{ ${names.join(" · ")} }`;
}

Deno.test("architecture: docs/architecture.md shows the order of folders, and the order inside", () => {
  const page = Deno.readTextFileSync(new URL("docs/architecture.md", ROOT));
  const ranks = [...new Set(Object.values(RANK))].sort((a, b) => a - b);
  const order = ranks.map((rank) =>
    together(
      Object.keys(RANK).filter((folder) => RANK[folder] === rank)
        .flatMap((folder) => folder === "" ? ROOT_FILES : [folder.replace("lib/", "")]),
    )
  );
  const lines = [
    order.join(" → "),
    ...Object.entries(INSIDE).map(([folder, inside]) =>
      `${folder.replace("lib/", "")} ${inside.map(together).join(" → ")}`
    ),
  ];
  const words = (text: string) => text.split(/\s+/).join(" ");
  assertNone(lines.filter((line) => !words(page).includes(words(line))));
});

Deno.test("architecture: what a page names is there, and is the only file of its name", () => {
  const exists = (name: string, page: string) => {
    const isPath = /^(?:lib|routes|tests)\//.test(name);
    if (isPath && !/\.\w+$/.test(name)) {
      const folder = name.replace(/\/$/, "");
      return folder in RANK || nameable.some((path) => path.startsWith(`${folder}/`));
    }
    if (!isPath && !name.endsWith(".ts")) return true;
    const beside = new URL(name, `http://x/${page}`).pathname.slice(1);
    if (nameable.includes(name) || nameable.includes(beside)) return true;
    return nameable.filter((path) => path.endsWith(`/${name}`)).length === 1;
  };
  assertNone(PAGES.flatMap((page) =>
    namesInCode(Deno.readTextFileSync(new URL(page, ROOT)))
      .filter((name) => !exists(name, page)).map((name) => `${page}: ${name}`)
  ));
});

Deno.test("architecture: what the pages of the architecture call by name is in the sources", () => {
  const page = ["docs/architecture.md", "docs/architecture_nodes.md"]
    .map((path) => Deno.readTextFileSync(new URL(path, ROOT))).join("\n");
  const words = new Set(files.flatMap(({ source }) => source.match(/\w+/g) ?? []));
  const called = [...page.matchAll(/`([A-Za-z][a-z]+[A-Z]\w*)`/g)].map(([, name]) => name!);
  assert.ok(called.includes("PeerTransport"));
  assertNone([...new Set(called)].filter((name) => !words.has(name)));
});

Deno.test("architecture: README.md says why each package is there", () => {
  const named = Deno.readTextFileSync(new URL("README.md", ROOT));
  const specifiers = files.flatMap((file) =>
    importsOf(file.source).map(({ specifier }) => specifier)
      .filter((specifier) => targetOf(file, specifier) === undefined).map(packageOf)
  );
  const packages = [...new Set(specifiers)].filter((name) => !name.startsWith("node:"));
  assert.ok(packages.includes("zod"));
  assertNone(packages.filter((name) => !named.includes(`\`${name}\``)));
});

Deno.test("architecture: links of the pages lead somewhere", () => {
  assertNone(
    PAGES.flatMap((page) =>
      linksOf(Deno.readTextFileSync(new URL(page, ROOT))).filter((target) => {
        try {
          Deno.statSync(new URL(target, new URL(page, ROOT)));
          return false;
        } catch {
          return true;
        }
      }).map((target) => `${page}: ${target}`)
    ),
  );
});

Deno.test("namesInCode() reads names in lines and blocks of code, and paths of folders", () => {
  const page = "`a.ts` and `b/c.ts`, `a.ts`; `lib/x` `d/`\n```sh\nrun e/f.ts --x=g.ts\n```\n`no.ts";
  assert.deepEqual(namesInCode(page), ["a.ts", "b/c.ts", "lib/x", "e/f.ts", "g.ts"]);
});

Deno.test("linksOf() gives relative targets without their anchors", () => {
  const page = "[a](x.md) [b](https://y.example/z.md) ![c](docs/i.png) [d](#e) [f](g/h.md#i)";
  assert.deepEqual(linksOf(page), ["x.md", "docs/i.png", "g/h.md"]);
});

Deno.test("importsOf() finds every form of import and none in comments, text or patterns", () => {
  const source = [
    'import a from "a";',
    'import { b,\n  type c } from "b";',
    'import "side";',
    'export * from "all";',
    'export { d } from "d";',
    'const e = await import("e");',
    'import json from "./x.json" with { type: "json" };',
    '// import no from "comment";',
    '/* import no from "block"; */',
    'const t = `import no from "template" ${`${1}`} import no from "again"`;',
    "const s = 'import no from \"string\"';",
    'const r = /import no from "pattern"[/"]/g;',
    "const q = 1 / 2; // \"'`",
    'const n = `${(() => { return import("nested"); })()}`;',
    "const last = 'it\\'s'; import z from 'z';",
  ].join("\n");
  assert.deepEqual(importsOf(source).map(({ specifier }) => specifier), [
    "a",
    "b",
    "side",
    "all",
    "d",
    "e",
    "./x.json",
    "nested",
    "z",
  ]);
  assert.equal(importsOf(source)[2]?.line, 4);
});

Deno.test("blankNonCode() keeps offsets and lines and leaves only code", () => {
  const source = 'a("Deno"); // Deno\n/* Deno\n*/ b(`Deno${Deno}`); c = /Deno/; d = x / Deno / y;';
  const code = blankNonCode(source);
  assert.equal(code.length, source.length);
  assert.equal(code.split("\n").length, source.split("\n").length);
  assert.equal(code.match(/Deno/g)?.length, 2);
});

Deno.test("functionsOf() measures functions and methods, and no other blocks", () => {
  const code = [
    "function one() {",
    "  if (a) {",
    "    b();",
    "  }",
    "}",
    "class C {",
    "  two(",
    "    a: number,",
    "  ): void {",
    "    for (const x of y) {",
    "    }",
    "  }",
    "  three = () => {",
    "    return { a };",
    "  };",
    "}",
  ].join("\n");
  assert.deepEqual(functionsOf(code), [
    { line: 1, lines: 5 },
    { line: 9, lines: 4 },
    { line: 13, lines: 3 },
  ]);
});
