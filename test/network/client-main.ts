/** Runs one {@link NetworkClient}; its task is the first argument, and the end of standard input ends it. */
import { NetworkClient, type NetworkClientTask } from "./client.js";

let stopped = false;
process.stdin.on("end", () => {
  stopped = true;
});
process.stdin.resume();
await new NetworkClient(JSON.parse(process.argv[2] ?? "{}") as NetworkClientTask).run(() => stopped);
process.exit(0);
