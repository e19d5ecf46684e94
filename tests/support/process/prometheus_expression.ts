/**
 * Which metrics an expression of Prometheus asks for, as far as deployed ones go.
 *
 * @module
 */

/** Names in `expression` as they stand there, with what a histogram's series append. */
export function seriesNames(expression: string): string[] {
  // Texts and labels are no names of metrics.
  const bare = expression.replace(/"[^"]*"/g, "").replace(/\{[^}]*\}/g, "")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  return [...new Set(bare.match(/\b(?:livekit|roomwire|process)_\w+/g) ?? [])];
}
