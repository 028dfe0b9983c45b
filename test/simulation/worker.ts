/** A thread that runs a share of the seeds. */
import { parentPort, workerData } from "node:worker_threads";
import { runSeed } from "./run-seed.js";

const { first, count, step } = workerData as { first: number; count: number; step: number };
for (let i = 0; i < count; i++) parentPort?.postMessage(runSeed(first + i * step));
