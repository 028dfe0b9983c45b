/** Who this client is, by default: as the operating system says it. */
import { hostname, userInfo } from "node:os";
import { basename } from "node:path";
import { packageVersion } from "../version.js";
import type { SessionNames } from "./types.js";

/** Station = host and login session (licensing.md section 4), so that two desktops of one machine are two stations. */
export function defaultNames(): SessionNames {
  const host = hostname();
  const login = process.env["XDG_SESSION_ID"];
  return {
    host,
    user: userName(),
    station: login === undefined || login === "" ? host : `${host}/${login}`,
    program: basename(process.argv[1] ?? process.execPath),
    runtimeVersion: packageVersion(),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no entry in its user database.
    return String(process.getuid?.() ?? "");
  }
}
