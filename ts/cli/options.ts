/** Flags that several commands share, and how their values are read. */
import { InvalidArgumentError, Option } from "commander";
import { type ContainerNumber, parseContainerNumber } from "../license/genesis.js";

const U32_MAX = 0xffff_ffff;

/** Flags of every command that asks a TMR system. */
export interface SystemFlags {
  readonly system: string;
  readonly timeout: number;
  readonly json?: true;
}

export function systemOption(): Option {
  return new Option("--system <file>", "system description").env("TMR_SYSTEM").default("system.toml");
}

/** Seconds on the command line, milliseconds in the program. */
export function timeoutOption(seconds: number, what = "how long to wait for an answer"): Option {
  const option = new Option("--timeout <seconds>", what).argParser(parseSeconds);
  return option.default(seconds * 1_000, String(seconds));
}

export function jsonOption(): Option {
  return new Option("--json", "print JSON");
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds > 0 && seconds <= 86_400) return seconds * 1_000;
  throw new InvalidArgumentError("Expected a number of seconds above 0 and up to 86400.");
}

/** A decimal or 0x-hexadecimal number of 32 bits, `min` or more. */
export function parseU32(text: string, min = 0): number {
  const value = /^(?:\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= U32_MAX) return value;
  throw new InvalidArgumentError(`Expected an integer from ${min} to ${U32_MAX}, decimal or 0x….`);
}

/** A decimal number from 1 on, such as a handle. */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected an integer from 1 on.");
}

/** `MASK-SERIAL`, as lists show a container. */
export function parseContainer(text: string): ContainerNumber {
  const number = parseContainerNumber(text);
  if (number !== null) return number;
  throw new InvalidArgumentError("Expected MASK-SERIAL, e.g. 130-729831162.");
}

export interface Product {
  readonly firmCode: number;
  readonly productCode: number;
}

/** `FIRMCODE:PRODUCTCODE` */
export function parseProduct(text: string): Product {
  const [firm, product, ...rest] = text.split(":");
  if (firm === undefined || product === undefined || rest.length > 0) {
    throw new InvalidArgumentError("Expected FIRMCODE:PRODUCTCODE, e.g. 6000010:13.");
  }
  return { firmCode: parseU32(firm, 1), productCode: parseU32(product) };
}
