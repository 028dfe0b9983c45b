/** Where a thread or process of support/engine-worker.ts ends. */
export const stages = [
  "loaded",
  "handshake made",
  "write under way",
  "many writes under way",
  "read under way",
  "closed while a write is under way",
  "handshake complete",
  "session open",
  "session with half a frame",
  "everything closed",
  "sockets open",
  "sockets closing",
] as const;
export type Stage = (typeof stages)[number];
