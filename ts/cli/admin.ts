/** What an administrator has the active server put into the log, over the control socket of its machine. */
import type { ProposedAnswer, ProposeRequest } from "../admin/control-protocol.js";
import { TmrError } from "../errors.js";
import { controlClient } from "./control.js";
import { printable } from "./terminal.js";

/** Has a record ordered by the server of this configuration. Throws ERR_TMR_REFUSED with the sentence of a refusal. */
export async function proposeOn(config: string, record: Omit<ProposeRequest, "command">): Promise<ProposedAnswer> {
  const answer = await (await controlClient(config)).propose(record);
  if (answer.status === "ok") return answer;
  const sentence = printable(Buffer.from(answer.blob, "base64url").toString("utf8"));
  throw new TmrError("ERR_TMR_REFUSED", `${sentence === "" ? "refused" : sentence} (${answer.status})`);
}
