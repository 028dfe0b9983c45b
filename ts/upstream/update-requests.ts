/**
 * What a TMR server asks of the containers folder over a link: how far the containers are, and to import an update. It is
 * answered beside the log: an update is signed by its firm and encrypted to this upstream, so whoever carries it need
 * not be trusted, and what changes is stated like any other change of the folder.
 */
import type { Logger } from "pino";
import { TmrError } from "../errors.js";
import { contextOf } from "../importing/folder.js";
import type { Holder } from "../importing/holder.js";
import { importUpdate } from "../importing/import.js";
import { decodeLink, type LinkMessageOf } from "../wire/link.js";
import { MessageField, MessageType } from "../wire/message.js";

/** What an upstream gives for it. */
export interface UpdateTarget {
  /** Throws ERR_TMR_KEY when nothing can be activated here. */
  holder(): Holder;
  /** Reads the containers folder again. */
  reload(): Promise<void>;
  /** whether the own log has what the containers hold, and where it ends */
  stated(): { readonly isStated: boolean; readonly position: number };
  /** A signature that vouches for the new signing key of another upstream; throws with the reason why not. */
  vouch(upstream: number, key: Uint8Array): Uint8Array;
  /** wall clock */
  now(): number;
  readonly log: Logger;
}

type Answer = LinkMessageOf<"contextIs" | "updated" | "vouched">;

const nothing = Buffer.alloc(0);

/** True for a message that {@link answerUpdateRequest} takes. */
export function isUpdateRequest(message: Buffer): boolean {
  const type = message[MessageField.type];
  return type === MessageType.askContext || type === MessageType.update || type === MessageType.vouch;
}

/** The answer to such a message; null when it is malformed. Never rejects: what cannot be done is said. */
export async function answerUpdateRequest(message: Buffer, target: UpdateTarget): Promise<Answer | null> {
  const request = decodeLink(message);
  switch (request?.type) {
    case "askContext":
      return context(request.ask, target);
    case "update":
      return updated(request, target);
    case "vouch":
      return vouched(request, target);
    default:
      return null;
  }
}

function vouched({ ask, upstream, key }: LinkMessageOf<"vouch">, target: UpdateTarget): Answer {
  try {
    const signature = target.vouch(upstream, key);
    target.log.warn({ upstream }, "vouches for the new machine of another upstream, as system.toml names it");
    return { type: "vouched", ask, signature, fault: nothing };
  } catch (error) {
    return { type: "vouched", ask, signature: nothing, fault: Buffer.from(textOf(error)) };
  }
}

async function context(ask: number, target: UpdateTarget): Promise<Answer> {
  try {
    await target.reload();
    const made = Buffer.from(await contextOf(target.holder(), target.now()));
    const { isStated, position } = target.stated();
    return { type: "contextIs", ask, context: made, fault: nothing, stated: isStated ? 1 : 0, position };
  } catch (error) {
    return { type: "contextIs", ask, context: nothing, fault: Buffer.from(textOf(error)), stated: 0, position: 0 };
  }
}

async function updated({ ask, update }: LinkMessageOf<"update">, target: UpdateTarget): Promise<Answer> {
  try {
    const { outcome, update: done } = await importUpdate(target.holder(), Buffer.from(update).toString("utf8"));
    await target.reload();
    const { container, firmCode, updateCounter, updateId } = done;
    target.log.info({ container, firmCode, updateCounter, updateId, outcome }, "update");
    return { type: "updated", ask, outcome: outcome === "applied" ? 0 : 1, text: nothing };
  } catch (error) {
    target.log.warn({ reason: textOf(error) }, "update refused");
    return { type: "updated", ask, outcome: 2, text: Buffer.from(codeOf(error) + textOf(error)) };
  }
}

function codeOf(error: unknown): string {
  return `${error instanceof TmrError ? error.code : "ERR_TMR_FILE"} `;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
