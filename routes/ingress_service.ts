/**
 * `livekit.Ingress`: who may publish by a stream key. What it cannot do it says in words; every
 * call needs `ingressAdmin`.
 *
 * @module
 */
import {
  CreateIngressRequest,
  DeleteIngressRequest,
  ListIngressRequest,
  ListIngressResponse,
  UpdateIngressRequest,
} from "@livekit/protocol";
import { AdminFailure } from "../lib/admin/admin_failure.ts";
import type { IngressService } from "../lib/ingress/ingress_service.ts";
import { said } from "./admin_reply.ts";
import { type TwirpAccess, twirpMethod, type TwirpService } from "./twirp.ts";
import { needsIngressAdmin } from "./twirp_grants.ts";

const ADMIN: TwirpAccess = { grant: needsIngressAdmin, carries: "content" };
const NAMES: TwirpAccess = { grant: needsIngressAdmin, carries: "names" };

/** The service over `ingresses`. */
export function ingressService(ingresses: IngressService): TwirpService {
  return {
    name: "livekit.Ingress",
    methods: {
      CreateIngress: twirpMethod(
        CreateIngressRequest,
        ADMIN,
        async (request, { origin }) => said(await ingresses.create(request, origin)),
      ),
      UpdateIngress: twirpMethod(
        UpdateIngressRequest,
        ADMIN,
        async (request, { origin }) => said(await ingresses.update(request, origin)),
      ),
      ListIngress: twirpMethod(
        ListIngressRequest,
        NAMES,
        async (request, { origin }) => {
          const items = await ingresses.list(request, origin);
          return said(
            items instanceof AdminFailure ? items : new ListIngressResponse({ items }),
          );
        },
      ),
      DeleteIngress: twirpMethod(
        DeleteIngressRequest,
        NAMES,
        async (request, { origin }) => said(await ingresses.remove(request, origin)),
      ),
    },
  };
}
