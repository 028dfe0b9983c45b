/** Subnets as text, and names of hosts and users without regard to case. */

/** A subnet of IPv6, in which IPv4 has its place as ::ffff:a.b.c.d. */
export interface Subnet {
  /** 16 bytes */
  readonly address: Buffer;
  /** leading bits that must be equal, of 128 */
  readonly bits: number;
}

const IPV4_BITS = 96;

/** `10.1.0.0/16`, `fd00::/8`, or an address alone; null for anything else, and for one with bits behind its mask. */
export function parseSubnet(text: string): Subnet | null {
  const [addressText = "", bitsText, more] = text.split("/");
  const address = parseAddress(addressText);
  if (address === null || more !== undefined) return null;
  const first = addressText.includes(":") ? 0 : IPV4_BITS;
  if (bitsText === undefined) return { address, bits: 128 };
  if (!/^(0|[1-9]\d{0,2})$/.test(bitsText)) return null;
  const bits = first + Number(bitsText);
  if (bits > 128) return null;
  for (let bit = bits; bit < 128; bit++) if (bitAt(address, bit) !== 0) return null;
  return { address, bits };
}

/** False for the unknown address, which is all zero. */
export function contains({ address, bits }: Subnet, asked: Buffer): boolean {
  if (asked.every((byte) => byte === 0)) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== asked[i]) return false;
  const mask = 0xff & ~(0xff >> (bits & 7));
  return ((address[whole] ?? 0) & mask) === ((asked[whole] ?? 0) & mask);
}

/** An IPv4 or IPv6 address as 16 bytes, or null. */
export function parseAddress(text: string): Buffer | null {
  if (!text.includes(":")) {
    const v4 = parseV4(text);
    return v4 === null ? null : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff, ...v4])]);
  }
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined) return null;
  const before = parseGroups(head);
  const after = tail === undefined ? [] : parseGroups(tail);
  if (before === null || after === null) return null;
  const missing = 16 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return null;
  return Buffer.concat([Buffer.from(before), Buffer.alloc(missing), Buffer.from(after)]);
}

/** Letters of ASCII only: what other letters fold to differs between versions of Unicode, so between servers. */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function parseV4(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

/** The bytes of `a:b:c`, whose last part may be an IPv4 address; none for no text. */
function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && i === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === null) return null;
      bytes.push(...v4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 0xff);
    } else return null;
  }
  return bytes;
}

function bitAt(bytes: Buffer, bit: number): number {
  return ((bytes[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
}
