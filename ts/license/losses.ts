/** Why a handle was taken away from its client: what the client is told, and what license tracking. */
import { Status, type StatusCode } from "../wire/kinds.js";
import { HandleState } from "./handle-row.js";

export interface Loss {
  /** the refusal that the client is told */
  readonly status: StatusCode;
  /** in license tracking */
  readonly cause: string;
  /** the end of a sentence that begins with the handle and its license */
  readonly why: string;
}

const byAdministrator: Loss = {
  status: Status["handle-lost"],
  cause: "cancelled",
  why: "was taken away by an administrator",
};

const losses = new Map<number, Loss>([
  [HandleState.cancelled, byAdministrator],
  [
    HandleState.overdue,
    {
      status: Status["no-free-license"],
      cause: "waited-too-long",
      why: "waited as long as was asked for, and no seat became free",
    },
  ],
  [HandleState.denied, noMore("access-list", "denied", "another access list does not allow it")],
  [HandleState.otherUser, noMore("named-user", "named-user", "the license has another named user")],
  [HandleState.featureGone, noMore("feature-missing", "feature-missing", "the license lacks asked feature bits")],
  [HandleState.outdated, noMore("runtime-too-old", "runtime-too-old", "the license needs a later client library")],
  [HandleState.moduleGone, noMore("not-found", "module-gone", "the license has this module no longer")],
  [HandleState.tooMany, noMore("no-free-license", "quantity-lowered", "the license has fewer seats than it asked for")],
  [HandleState.notLocal, noMore("access-list", "not-local", "the license is for its server's own machine only")],
]);

function noMore(status: keyof typeof Status, cause: string, why: string): Loss {
  return { status: Status[status], cause, why: `waits no more: ${why}` };
}

/** By the {@link HandleState} of a handle that was lost. */
export function lossOf(state: number): Loss {
  return losses.get(state) ?? byAdministrator;
}
