/**
 * Which pages the documentation has, in the order in which somebody reads them.
 *
 * @module
 */

/** One page. */
export interface SitePage {
  /** Path in the project. */
  readonly source: string;
  /** Its name in the list of pages. */
  readonly name: string;
}

/** Pages that belong together. */
export interface SiteChapter {
  readonly title: string;
  readonly pages: readonly SitePage[];
}

/** All of them. */
export const CHAPTERS: readonly SiteChapter[] = [
  {
    title: "Begin",
    pages: [
      { source: "docs/index.md", name: "Roomwire" },
      { source: "docs/quick_start.md", name: "Quick start" },
      { source: "docs/clients.md", name: "Clients by SDK" },
      { source: "docs/embedding.md", name: "Inside your own program" },
      { source: "docs/from_livekit.md", name: "Moving from LiveKit" },
      { source: "docs/demo.md", name: "The demo" },
    ],
  },
  {
    title: "Run",
    pages: [
      { source: "docs/deployment.md", name: "Deployments" },
      { source: "docs/configuration.md", name: "Configuration" },
      { source: "docs/addresses.md", name: "Addresses" },
      { source: "docs/proxies_and_tls.md", name: "TLS and proxies" },
      { source: "docs/security.md", name: "Security" },
      { source: "docs/cluster.md", name: "Several nodes" },
      { source: "docs/sizing.md", name: "Sizing" },
      { source: "docs/troubleshooting.md", name: "Troubleshooting" },
      { source: "docs/debugging.md", name: "Reports and packet captures" },
      { source: "docs/upgrading.md", name: "Upgrading" },
    ],
  },
  {
    title: "Use",
    pages: [
      { source: "docs/moderation.md", name: "Moderation" },
      { source: "docs/recording.md", name: "Recording" },
      { source: "docs/whip_and_whep.md", name: "WHIP and WHEP" },
      { source: "docs/ingress.md", name: "Ingress" },
      { source: "docs/agents.md", name: "Agents" },
      { source: "docs/admin.md", name: "Operators" },
      { source: "docs/webhooks_and_metrics.md", name: "Webhooks and metrics" },
    ],
  },
  {
    title: "Know",
    pages: [
      { source: "docs/quality.md", name: "Quality" },
      { source: "docs/performance.md", name: "Performance" },
      { source: "docs/performance_work.md", name: "What made it fast" },
      { source: "docs/drops.md", name: "What is counted and not used" },
      { source: "docs/architecture.md", name: "Architecture" },
      { source: "docs/architecture_nodes.md", name: "Architecture: many nodes" },
      { source: "README.md", name: "The project" },
      { source: "bench/README.md", name: "Benchmarks" },
      { source: "CHANGELOG.md", name: "Changelog" },
    ],
  },
];

/** All pages in reading order. */
export const PAGES: readonly SitePage[] = CHAPTERS.flatMap(({ pages }) => pages);

/** The page's file in the site, without its ending: `docs/quick_start.md` is `quick_start`. */
export function slugOf(source: string): string {
  const name = source.replace(/\.md$/, "").replace(/^docs\//, "");
  return name.replace(/\/README$/, "").toLowerCase().replaceAll("/", "_");
}
