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
import { RoomServiceClient } from "livekit-server-sdk";

/** A client for the server of the environment. */
export function client(): RoomServiceClient {
  return new RoomServiceClient(
    required("LIVEKIT_URL"),
    required("LIVEKIT_API_KEY"),
    required("LIVEKIT_API_SECRET"),
  );
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
