/**
 * From the files of a server back to its writers. The head says where a series ends: what lies behind it was under way
 * when the server stopped and comes again, so it is set aside. A series whose files are not as its head says is left as
 * it is, for whoever investigates; a new file begins a new chain and says why.
 */
import type { TrackingDisk } from "./disk.js";
import {
  fileName,
  type Head,
  headName,
  linesOf,
  noChain,
  openLine,
  readFileName,
  readHead,
  seriesName,
  signedHead,
} from "./lines.js";
import { type SeriesOptions, SeriesWriter } from "./series-writer.js";
import { isSignedBy } from "./signatures.js";

const SET_ASIDE = ".set-aside";

/** All series that this server has in its folder, by Firm Code. */
export function recover(disk: TrackingDisk, options: SeriesOptions): Map<number, SeriesWriter> {
  const files = new Map<number, number[]>();
  for (const name of disk.list()) {
    const parts = readFileName(name);
    const firm = Number(parts?.series.split(".")[0]);
    if (parts === null || parts.series !== seriesName(firm, options.server)) continue;
    files.set(firm, [...(files.get(firm) ?? []), ...(parts.file === 0 ? [] : [parts.file])]);
  }
  const writers = new Map<number, SeriesWriter>();
  for (const [firm, numbers] of files) writers.set(firm, recoverSeries(disk, options, firm, numbers));
  return writers;
}

/** The writer of a series that does not exist yet. */
export function beginSeries(disk: TrackingDisk, options: SeriesOptions, firm: number): SeriesWriter {
  return new SeriesWriter(disk, options, emptyHead(options, firm), null, null);
}

function emptyHead({ server, key }: SeriesOptions, firm: number): Head {
  const chain = noChain.toString("base64url");
  const from = { first: 1, firstLine: 0, firstChain: chain, removed: [] };
  return { firm, server, ...from, file: 1, bytes: 0, lines: 0, chain, number: 0, at: "", since: 0, key };
}

function recoverSeries(
  disk: TrackingDisk,
  options: SeriesOptions,
  firm: number,
  files: readonly number[],
): SeriesWriter {
  const series = seriesName(firm, options.server);
  const hasHead = disk.list().includes(headName(series));
  const read = hasHead ? readHead(disk.read(headName(series))) : null;
  if (read === null) {
    // Without a head nothing was ever committed, unless it was taken away.
    const whole = files.length === 0 || (!hasHead && files.length === 1 && files[0] === 1);
    if (!whole) return beginAgain(disk, options, firm, files, null, `${headName(series)} is missing or damaged`);
    for (const file of files) setAside(disk, fileName(series, file), 0);
    return beginSeries(disk, options, firm);
  }
  const { head, signature } = read;
  // Signing turned on or off, or another key, is a new chain too: else whoever alters the head would do it this way.
  const own = head.key === options.key && (head.key === "" || isSignedBy(head.key, signedHead(head), signature));
  if (!own) return beginAgain(disk, options, firm, files, head, `${headName(series)} is not signed by this server`);
  const name = fileName(series, head.file);
  const there = files.includes(head.file) && disk.size(name) >= head.bytes;
  const opened = there ? endOf(disk.read(name).subarray(0, head.bytes), head) : null;
  if (opened === null) return beginAgain(disk, options, firm, files, head, `${name} is not as its head says`);
  for (const file of files) {
    if (file < head.first) disk.remove(fileName(series, file));
    else if (file > head.file) setAside(disk, fileName(series, file), 0);
  }
  setAside(disk, name, head.bytes);
  return new SeriesWriter(disk, options, head, opened.fromMs, null);
}

/** When the present file begins; null when it does not end with the chain of the head. */
function endOf(bytes: Buffer, head: Head): { readonly fromMs: number } | null {
  let time: unknown;
  let chain = "";
  for (const line of linesOf(bytes)) {
    // The first line vouches for a file that may be gone; every other one must follow.
    const opened = openLine(chain === "" ? noChain : Buffer.from(chain, "base64url"), line);
    if (opened === null || (chain !== "" && !opened.follows)) return null;
    time ??= opened.members["time"];
    chain = opened.chain.toString("base64url");
  }
  return chain === head.chain && typeof time === "string" ? { fromMs: Date.parse(time) } : null;
}

/** What lies behind `bytes` of a file goes to another one, where nothing reads it. */
function setAside(disk: TrackingDisk, name: string, bytes: number): void {
  const behind = disk.read(name).subarray(bytes);
  if (bytes > 0 && behind.length === 0) return;
  disk.append(`${name}${SET_ASIDE}`, behind);
  disk.sync(`${name}${SET_ASIDE}`);
  if (bytes === 0) disk.remove(name);
  else disk.truncate(name, bytes);
}

function beginAgain(
  disk: TrackingDisk,
  options: SeriesOptions,
  firm: number,
  files: readonly number[],
  old: Head | null,
  broken: string,
): SeriesWriter {
  const head = old ?? { ...emptyHead(options, firm), first: Math.min(...files) };
  const file = Math.max(head.file, ...files) + 1;
  // The old head is evidence: it stays under another name.
  const name = headName(seriesName(firm, options.server));
  if (disk.list().includes(name)) disk.rename(name, `${name}.before-${file}`);
  return new SeriesWriter(disk, options, { ...head, file, bytes: 0, key: options.key }, null, broken);
}
