/**
 * Scenarios of LiveKit's that have no test here, each with the reason: what they are about is not
 * part of this server, or is otherwise on purpose. `names_test.ts` sees to it that every scenario
 * either has a test or stands here.
 *
 * @module
 */

const SIP = "There is no SIP: its calls are refused, and nothing of it is kept.";
const CHOSEN_LAYER =
  "A start with the wanted layer alone, which nothing in LiveKit's server switches on; here it is " +
  "the first key frame of any layer up to the wanted one.";
const VP8_PADDING =
  "Frames of VP8 that the server makes up: what opens a stream or fills it here is padding, which " +
  "has no payload and so no descriptor.";
const NODE_SORTING =
  "Participants are served where they arrive; the order of nodes that take others' is how free " +
  "they are, and cannot be configured.";
const DISPATCHER = "A list for Go's threads that add to it while others read it.";
const MIGRATION =
  "Sessions do not migrate between nodes: a client that has to move joins anew, and what it sends " +
  "begins anew with it.";

/** Reason by name. */
export const OPEN_SCENARIOS: Readonly<Record<string, string>> = {
  TestPackDataTrackLabel:
    "Labels of one data channel a track: all data tracks share one channel, in LiveKit's protocol " +
    "as well, and handles tell them apart.",
  TestMigrationDataCache_Add: MIGRATION,
  TestMigrationDataCache_MaxSize: MIGRATION,
  TestForwarderGetPaddingVP8: VP8_PADDING,
  TestUpdateAndGetPadding: VP8_PADDING,
  TestForwarderInitialAcquisitionGrace: CHOSEN_LAYER,
  TestSimulcastSelectAcquiresTargetLayerDirectly: CHOSEN_LAYER,
  TestSimulcastSelectAcquiresLoweredTarget: CHOSEN_LAYER,
  Test_sequencer_getNACKSeqNo_exclusion:
    "Padding that opens a stream is sent again like anything else: a receiver that misses a number " +
    "holds back what follows.",
  TestFpsH26x:
    "Frame rates are measured to leave layers out by them, and H.264 and H.265 have none inside a " +
    "stream.",
  TestDataStats:
    "Bytes of data are not measured for each participant; messages and streams are counted.",
  TestSIPStoreDispatch: SIP,
  TestSIPStoreTrunk: SIP,
  TestSIPTrunkSelect: SIP,
  TestSIPTrunkList: SIP,
  TestSIPRuleSelect: SIP,
  TestSIPRuleList: SIP,
  TestSystemLoadSelector_SelectNode:
    "The machine's load average is not read: a node says how much of its cores this process uses, " +
    "and how many tracks it has.",
  TestSortByErrors: NODE_SORTING,
  TestSortBy: NODE_SORTING,
  TestScriptMatch: "Rules about clients are code (`client_traits.ts`), and no scripts.",
  TestForEach: DISPATCHER,
  TestConcurrentConsumption: DISPATCHER,
  TestStatsWorker:
    "Workers of Go's that are counted by reference; here a figure is told to whoever measures.",
};
