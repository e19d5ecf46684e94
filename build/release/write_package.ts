/**
 * `deno task package`: writes the module as a package into `dist/`, or into the folder named.
 *
 * @module
 */
import { VERSION } from "../../lib/server/version.ts";
import { npmPackage } from "./npm_package.ts";

const folder = Deno.args[0] ?? "dist";
await Deno.mkdir(folder, { recursive: true });
const path = `${folder}/roomwire-${VERSION}.tgz`;
await Deno.writeFile(path, await npmPackage());
console.log(path);
