/** `tmr acl`: the flags of its four parts. */
import { type Command, Option } from "commander";
import type { AclFlags, FileFlags, TestFlags } from "./acl-run.js";
import type { CliContext } from "./context.js";
import { jsonOption, parseU32 } from "./options.js";

/** Commands that people know by these names, which are flags elsewhere. */
const habits: Readonly<Record<string, readonly string[]>> = {
  "--export-acl": ["acl", "export"],
  "--import-acl": ["acl", "import"],
};

/** The arguments with such a habit put into the words of this program. */
export function withAclHabits(args: readonly string[]): readonly string[] {
  const [first = "", ...rest] = args;
  return Object.hasOwn(habits, first) ? [...(habits[first] ?? []), ...rest] : args;
}

/** Adds the command with its four parts. */
export function registerAcl(program: Command, context: CliContext): void {
  const { terminal } = context;
  const acl = program
    .command("acl")
    .description("who may use which license: show, import, export or test the access list");
  acl
    .command("show")
    .description("show the rules and groups of the running access list")
    .addOption(configOption(true))
    .addOption(jsonOption())
    .action(async (flags: AclFlags) => (await import("./acl-run.js")).show(terminal, flags));
  acl
    .command("export")
    .description("write the running access list into a file")
    .addOption(configOption(true))
    .requiredOption("-f, --file <file>", "JSON document; - for standard output")
    .action(async (flags: FileFlags) => (await import("./acl-run.js")).exportTo(terminal, flags));
  acl
    .command("import")
    .description(
      "replace the running access list by that of a file; one wrong rule rejects the file, and nothing changes",
    )
    .addOption(configOption(true))
    .requiredOption("-f, --file <file>", "JSON document")
    .action(async (flags: FileFlags) => (await import("./acl-run.js")).importFrom(terminal, flags));
  acl
    .command("test")
    .description("say which rule decides for a user, host and license, and how; 0 = allowed, 3 = refused")
    .addOption(configOption(false).conflicts("file"))
    .option("-f, --file <file>", "test this document instead of the running list")
    .option("--user <name>", "user or user@domain", "")
    .option("--host <name>", "host of the application", "")
    .option("--address <ip>", "address that it connects from")
    .requiredOption("--firm <code>", "Firm Code", (text) => parseU32(text, 1))
    .requiredOption("--product <code>", "Product Code", (text) => parseU32(text))
    .option("--container <mask-serial>", "container of the license, for lists that name containers")
    .addOption(jsonOption())
    .action(async (flags: TestFlags) => {
      context.exitCode = await (await import("./acl-run.js")).test(terminal, flags);
    });
}

function configOption(mandatory: boolean): Option {
  return new Option("-c, --config <file>", "configuration of the active server, on its machine").makeOptionMandatory(
    mandatory,
  );
}
