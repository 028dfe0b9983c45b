/** A process that appends for ever and says each position that is durable: killed by the test at any moment. */
import { writeSync } from "node:fs";
import { entries, openSqlite } from "./store-kit.js";

const store = openSqlite(process.argv[2] ?? "");
const size = Number(process.argv[3] ?? 300);
const begin = store.lastPosition;
for (const entry of entries(begin, begin + 2000, 0, size)) {
  try {
    store.writeMeta({ promised: entry.position });
    store.append([entry]);
    if (entry.position % 50 === 0) {
      store.writeSnapshot(entry.position, entry.digest, Buffer.alloc(9000, 5), Math.max(0, entry.position - 20));
    }
  } catch (error) {
    writeSync(2, `${(error as { code?: string }).code}\n`);
    process.exit(1);
  }
  writeSync(1, `${entry.position}\n`);
}
