/**
 * Calls inside an application of one's own: people sign in, get a token for a room that they may
 * enter, and are served by the SFU in the same process and on the same port.
 *
 *     APP_USERS="ann:a-long-password:host,bob:another-password" deno task start
 *
 * @module
 */
import { CreateRoomRequest } from "@livekit/protocol";
import { createServer, parseConfig, signAccessToken } from "@roomwire/roomwire";
import { type Account, Accounts } from "./accounts.ts";

const PORT = Number(Deno.env.get("PORT") ?? 7880);
const UDP_PORT = Number(Deno.env.get("UDP_PORT") ?? 7882);
const HOSTNAME = Deno.env.get("BIND") ?? "127.0.0.1";
/** Nobody outside this process signs tokens, so its key lives as long as the process. */
const API_KEY = "app";
const SECRET = crypto.randomUUID() + crypto.randomUUID();
/** A token opens the door once; whoever is in stays when it has run out. */
const TOKEN_MS = 10 * 60_000;
const ROOM_NAME = /^[\w-]{1,40}$/;
const MAX_BODY_BYTES = 4_096;
const COOKIE = "session";

const accounts = new Accounts(Deno.env.get("APP_USERS") ?? "");
const config = parseConfig({
  keys: { [API_KEY]: SECRET },
  rtc: {
    udp_port: UDP_PORT,
    tcp_port: 0,
    ...(HOSTNAME === "127.0.0.1" ? { node_ip: HOSTNAME, enable_loopback_candidate: true } : {}),
  },
  // Rooms are made by hosts alone, in `token` below.
  room: { auto_create: false },
});
const sfu = createServer(config);
await sfu.listenMedia();

/** Paths of the application; everything else is the SFU's. */
const routes: Record<string, (request: Request) => Response | Promise<Response>> = {
  "GET /": () => file("page.html", "text/html; charset=utf-8"),
  "GET /page.js": () => file("page.js", "text/javascript; charset=utf-8"),
  "POST /sign-in": signIn,
  "POST /sign-out": signOut,
  "POST /token": token,
};

const server = Deno.serve({ hostname: HOSTNAME, port: PORT }, (request, info) => {
  const route = routes[`${request.method} ${new URL(request.url).pathname}`];
  return route === undefined ? sfu.handler(request, info) : route(request);
});

const stop = async () => {
  await sfu.drain({ timeoutMs: 2_000 });
  await server.shutdown();
};
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
await server.finished;
Deno.exit(0);

async function signIn(request: Request): Promise<Response> {
  const { name, password } = await fields(request);
  const key = await accounts.signIn(name ?? "", password ?? "", Date.now());
  if (key === undefined) return new Response("wrong name or password", { status: 401 });
  const cookie = `${COOKIE}=${key}; HttpOnly; SameSite=Strict; Path=/`;
  return new Response(null, { status: 204, headers: { "Set-Cookie": cookie } });
}

function signOut(request: Request): Response {
  accounts.signOut(sessionKey(request));
  const cookie = `${COOKIE}=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/`;
  return new Response(null, { status: 204, headers: { "Set-Cookie": cookie } });
}

/** A token for one room. Hosts open rooms, everybody else enters those that are open. */
async function token(request: Request): Promise<Response> {
  const account = accounts.session(sessionKey(request), Date.now());
  if (account === undefined) return new Response("please sign in", { status: 401 });
  const { room = "" } = await fields(request);
  if (!ROOM_NAME.test(room)) return new Response("no such name for a room", { status: 400 });
  if (account.isHost) await sfu.admin.createRoom(new CreateRoomRequest({ name: room }));
  else if ((await sfu.admin.listRooms([room])).length === 0) {
    return new Response("this room is not open yet", { status: 404 });
  }
  return Response.json({ token: await tokenFor(account, room) });
}

function tokenFor({ name, isHost }: Account, room: string): Promise<string> {
  const claims = { identity: name, name, video: { roomJoin: true, room, roomAdmin: isHost } };
  return signAccessToken({ apiKey: API_KEY, secret: SECRET }, claims, Date.now(), TOKEN_MS);
}

function sessionKey(request: Request): string | undefined {
  const cookies = (request.headers.get("Cookie") ?? "").split("; ");
  return cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}

/** The fields of a JSON body that are text; none of what is too long or no JSON. */
async function fields(request: Request): Promise<Partial<Record<string, string>>> {
  if (Number(request.headers.get("Content-Length") ?? Infinity) > MAX_BODY_BYTES) return {};
  try {
    const entries = Object.entries(await request.json() as Record<string, unknown>);
    return Object.fromEntries(entries.filter(([, value]) => typeof value === "string")) as Record<
      string,
      string
    >;
  } catch {
    return {};
  }
}

async function file(name: string, type: string): Promise<Response> {
  const body = await Deno.readFile(new URL(name, import.meta.url));
  return new Response(body, { headers: { "Content-Type": type } });
}
