/** Runs one {@link ChaosClient}; its task is the first argument, and the end of standard input ends it. */
import { ChaosClient, type ClientTask } from "./client.js";

let stopped = false;
process.stdin.on("end", () => {
  stopped = true;
});
process.stdin.resume();
await new ChaosClient(JSON.parse(process.argv[2] ?? "{}") as ClientTask).run(() => stopped);
process.exit(0);
