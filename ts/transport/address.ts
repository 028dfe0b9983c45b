/** Addresses of clients as requests carry them. */
import ipaddr from "ipaddr.js";
import { ADDRESS_BYTES } from "../wire/request.js";

/** 16 bytes: IPv6, or IPv4 as ::ffff:a.b.c.d. Zeros for what is no address, as a socket that is already closed has. */
export function addressBytes(text: string | undefined): Uint8Array {
  // A link-local address names its interface behind a percent sign, which is no part of it.
  const plain = text?.split("%")[0] ?? "";
  if (!ipaddr.isValid(plain)) return new Uint8Array(ADDRESS_BYTES);
  const address = ipaddr.parse(plain);
  return Uint8Array.from(
    "toIPv4MappedAddress" in address ? address.toIPv4MappedAddress().toByteArray() : address.toByteArray(),
  );
}
