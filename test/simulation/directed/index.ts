/** Every directed scenario. */
import { answers } from "./answers.js";
import { disks } from "./disks.js";
import { licenses } from "./licenses.js";
import { lies } from "./lies.js";
import type { Directed } from "./script.js";
import { takeovers } from "./takeovers.js";
import { times } from "./times.js";

export const directed: readonly Directed[] = [...takeovers, ...disks, ...times, ...answers, ...licenses, ...lies];
