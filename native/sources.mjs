// Lists the C++ sources below the folders given as arguments, for binding.gyp: one file, one line.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
for (const folder of process.argv.slice(2)) {
  // The published package has no benchmarks.
  if (!existsSync(join(root, folder))) continue;
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".cpp"));
  for (const name of names.sort()) console.log(`${folder}/${name}`);
}
