/** The engine's orderer, made to break a rule that lives in native code. With all rules on it is the orderer itself. */
import { createHmac, hkdfSync } from "node:crypto";
import { Intake, type Orderer } from "../../ts/engine/types.js";
import { getU64, putU64 } from "../../ts/wire/bytes.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType, packetOf } from "../../ts/wire/message.js";
import { RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { VoteField } from "../../ts/wire/vote.js";
import { TWIN_KEY, upstreamIds } from "./system.js";
import type { World } from "./world.js";

export function mutantOrderer(orderer: Orderer, world: World): Orderer {
  const { twoVotes, readsOrdered } = world.simRules;
  const { admissionByNewEpoch } = world.rules;
  if (twoVotes && readsOrdered && admissionByNewEpoch) return orderer;
  world.observer.model.remembers = !readsOrdered;
  let members: Uint8Array = new Uint8Array(48);
  let active = false;
  const waiting = new Map<number, Buffer[]>();
  const overrides: Partial<Orderer> = {
    activate: (epoch, position, digest, given) => {
      members = given;
      active = true;
      orderer.activate(epoch, position, digest, given);
    },
    deactivate: () => {
      active = false;
      orderer.deactivate();
    },
    /** One vote is enough: every vote counts as one of each upstream. Or: a disk refilled in this epoch votes. */
    vote: (upstream, message) => {
      if (twoVotes) return orderer.vote(upstream, admissionByNewEpoch ? message : asVoteOf(upstream, message, members));
      const intake = orderer.vote(upstream, message);
      for (const other of upstreamIds) {
        if (other === upstream || (orderer.reached & (1 << (other - 1))) === 0) continue;
        orderer.vote(other, asVoteOf(other, message, members));
      }
      return intake;
    },
    /** A list of containers is answered from what this server has seen carried. */
    clientMessage: (client, message) => {
      const bytes = Buffer.from(message);
      const at = MESSAGE_HEADER_BYTES;
      const isRead =
        bytes[MessageField.type] === MessageType.requests &&
        bytes.readUInt32LE(MessageField.count) === 1 &&
        bytes[at + RequestField.kind] === Kind.containers;
      const text = active && isRead && !readsOrdered ? world.observer.model.containersAt(orderer.carried) : undefined;
      if (text === undefined) return orderer.clientMessage(client, message);
      const record = Buffer.alloc(RESULT_BYTES);
      const blob = Buffer.from(text);
      const head = {
        kind: Kind.containers,
        status: Status.ok,
        request: getU64(bytes, at + RequestField.request),
        session: bytes.subarray(at + RequestField.session, at + RequestField.session + 16),
        mark: orderer.carried,
        markProof: markProof(orderer.carried),
      };
      writeResult(record, 0, head, 0, blob.length);
      const answers = waiting.get(client) ?? [];
      answers.push(packetOf(MessageType.results, record, blob));
      waiting.set(client, answers);
      return Intake.ok;
    },
    takeClientMessage: (client) => waiting.get(client)?.shift() ?? orderer.takeClientMessage(client),
    dirtyClients: (out) => {
      let count = orderer.dirtyClients(out);
      for (const [client, answers] of waiting) {
        if (answers.length > 0 && !out.subarray(0, count).includes(client)) out[count++] = client;
      }
      return count;
    },
  };
  return new Proxy(orderer, {
    get: (target, name) => {
      const override: unknown = Reflect.get(overrides, name);
      if (override !== undefined) return override;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** The same vote in the name of a member; it says no clock. */
function asVoteOf(upstream: number, message: Uint8Array, members: Uint8Array): Buffer {
  const copy = Buffer.from(message);
  const at = MESSAGE_HEADER_BYTES;
  if (copy[at + VoteField.upstream] !== upstream) putU64(copy, at + VoteField.clockMs, 0);
  copy[at + VoteField.upstream] = upstream;
  copy.set(members.subarray((upstream - 1) * 16, upstream * 16), at + VoteField.incarnation);
  return copy;
}

const markKey = Buffer.from(hkdfSync("sha256", TWIN_KEY, new Uint8Array(0), "tmr mark", 32));

function markProof(position: number): Buffer {
  const bytes = Buffer.alloc(8);
  putU64(bytes, 0, position);
  return createHmac("sha256", markKey).update(bytes).digest().subarray(0, 8);
}
