/**
 * The media worker's program, with two ways to kill it.
 *
 * Both are imported at once and not awaited, as messages come from the first wait on: the one to
 * start would be lost before the program listens.
 *
 * @module
 */
import "./mortal_signals.ts";
import "../../../lib/engine/worker/worker_main.ts";
