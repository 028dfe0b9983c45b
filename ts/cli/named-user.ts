/** `tmr named-user`: an administrator gives a license to another named user. */
import type { Command } from "commander";
import type { ProposeRequest } from "../admin/control-protocol.js";
import type { ContainerNumber } from "../license/genesis.js";
import { proposeOn } from "./admin.js";
import type { CliContext } from "./context.js";
import { jsonOption, type Product, parseContainer, parseProduct, parseU32 } from "./options.js";
import { jsonText, printable } from "./terminal.js";

interface NamedUserFlags {
  readonly config: string;
  readonly item: number;
  readonly container?: ContainerNumber;
  readonly json?: true;
}

/** Adds the command. */
export function registerNamedUser(program: Command, { terminal }: CliContext): void {
  program
    .command("named-user")
    .description("bind a license to another named user, at most once in the interval that the license names")
    .argument("<product>", "FIRMCODE:PRODUCTCODE", parseProduct)
    .argument("<user>", 'user or user@domain; "" frees a license that was issued to whoever comes first')
    .requiredOption("--item <reference>", "item reference of the license", (text) => parseU32(text, 1))
    .option("--container <mask-serial>", "the container, where several hold such a license", parseContainer)
    .requiredOption("-c, --config <file>", "configuration of the active server, on its machine")
    .addOption(jsonOption())
    .action(async (product: Product, user: string, flags: NamedUserFlags) => {
      const record = namedUserRecord(product, flags.item, user, flags.container);
      await proposeOn(flags.config, record);
      const { firmCode, productCode } = product;
      const license = `${firmCode}:${productCode} item ${flags.item}`;
      if (flags.json === true) terminal.out(jsonText({ firmCode, productCode, itemRef: flags.item, namedUser: user }));
      else if (user === "") terminal.out(`License ${license} is bound to the next user who accesses it.\n`);
      else terminal.out(`License ${license} is bound to ${printable(user)}.\n`);
    });
}

/** The record that the server is to order. */
export function namedUserRecord(
  { firmCode, productCode }: Product,
  itemRef: number,
  user: string,
  container?: ContainerNumber,
): Omit<ProposeRequest, "command"> {
  const where = container === undefined ? {} : { mode: container.mask, featureMap: container.serial };
  const blob = Buffer.from(user).toString("base64url");
  return { kind: "setNamedUser", firmCode, productCode, itemRef, ...where, blob };
}
