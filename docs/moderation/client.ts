/**
 * What every script here needs: a client of the server API, and the words of the command line.
 *
 * The environment says where the server is and who calls: `LIVEKIT_URL` (`http://…`),
 * `LIVEKIT_API_KEY`, `LIVEKIT_API_SECRET`. The client signs a short-lived token with just the
 * grants each call needs.
 *
 * @module
 */
import process from "node:process";
import { RoomServiceClient, ServerError } from "livekit-server-sdk";

/** A client for the server of the environment. A call that fails ends the script with a sentence. */
export function client(): RoomServiceClient {
  const url = required("LIVEKIT_URL");
  const calls = new RoomServiceClient(
    url,
    required("LIVEKIT_API_KEY"),
    required("LIVEKIT_API_SECRET"),
  );
  return new Proxy(calls, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: readonly unknown[]) =>
        Promise.resolve(value.apply(target, given)).catch((error) => fail(sentence(error, url)));
    },
  });
}

/** Says what is wrong and ends the script. */
export function fail(words: string): never {
  console.error(words);
  process.exit(1);
}

/** Why a call was refused, for a person. */
function sentence(error: unknown, url: string): string {
  if (!(error instanceof ServerError)) return `The server at ${url} does not answer.`;
  const said = `the server says "${error.message.replace(/^twirp error \w+: /, "")}"`;
  switch (error.status) {
    case 404:
      return `There is no such participant or room: ${said}.`;
    case 401:
    case 403:
      return `The key and secret do not allow this: ${said}.`;
    default:
      return `It was not done: ${said}.`;
  }
}

/** The arguments of the command line, by name; all must be there. */
export function words<const Names extends readonly string[]>(
  ...names: Names
): { readonly [I in keyof Names]: string } {
  const given = process.argv.slice(2);
  if (given.length < names.length) {
    console.error(`Usage: ${process.argv[1]} ${names.map((name) => `<${name}>`).join(" ")}`);
    process.exit(2);
  }
  return given.slice(0, names.length) as unknown as { readonly [I in keyof Names]: string };
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  console.error(`Set ${name}`);
  process.exit(2);
}
