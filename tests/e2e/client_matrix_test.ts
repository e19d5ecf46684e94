/**
 * Four makes of clients in one room, with the default options of each: who publishes first, second
 * or third, in sequence or at once, and by which version of signalling, makes no difference.
 *
 * @module
 */
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { meetAtOnce, meetInSequence, type MemberKind } from "../support/sdk/call_matrix.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

/**
 * Each make is in each place once, and comes once right after each other one (a Latin square that
 * is balanced for neighbours), so four rooms show every pair in both orders.
 */
const ORDERS: readonly (readonly MemberKind[])[] = [
  ["chromium", "firefox", "pion", "rtc-node"],
  ["firefox", "rtc-node", "chromium", "pion"],
  ["rtc-node", "pion", "firefox", "chromium"],
  ["pion", "chromium", "rtc-node", "firefox"],
];

for (const mode of CONNECTION_MODES) {
  for (const order of ORDERS) {
    endToEndTest(
      `${order.join(", then ")} publish, and all see and hear each other (${mode})`,
      ["chromium", "firefox", "go"],
      () => fixture.call(`matrix-${order[0]}`, (call) => meetInSequence(call, order), mode),
    );
  }
  endToEndTest(
    `everybody publishes at once, and all see and hear each other (${mode})`,
    ["chromium", "firefox", "go"],
    () => fixture.call("matrix-at-once", (call) => meetAtOnce(call, ORDERS[0]!), mode),
  );
}
