/**
 * The server as `deploy/` has it run by systemd, Compose and Kubernetes: with no right but, for the
 * first of them, to ports below 1024, and on a file system that it cannot write to.
 *
 * @module
 */
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { meetAtOnce } from "../support/sdk/call_matrix.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();
/** Of util-linux: nothing more can be got back by whatever is started. */
const RIGHTS = ["--no-new-privs", "--bounding-set=-all,+net_bind_service"];
/** An address on which nobody else has the port. */
const ADDRESS = "127.0.0.80";

endToEndTest(
  "Clients meet at a server without rights on a file system that is read only, at port 80",
  // Namespaces of mounts are made by whoever may make those of networks.
  ["network-namespaces", "go"],
  async () => {
    await using server = await startRoomwire({
      address: ADDRESS,
      place: {
        ports: { http: 80, tcp: 7961, udp: 7962 },
        command: (program, ...args) => [
          ...["unshare", "--mount", "--propagation", "private", "sh", "-c"],
          'mount -o remount,bind,ro / && exec setpriv "$@"',
          ...["sh", ...RIGHTS, program, ...args],
        ],
      },
    });
    await fixture.callAt(server, "rights", (call) => meetAtOnce(call, ["rtc-node", "pion"]));
  },
);
