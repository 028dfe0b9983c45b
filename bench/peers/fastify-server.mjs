// The license server that a web developer writes in an afternoon: fastify before one SQLite file, a row per seat.
// Usage: node fastify-server.mjs PORT FILE SYNCHRONOUS
import Database from "better-sqlite3";
import Fastify from "fastify";

const [port, file, synchronous] = process.argv.slice(2);
const database = new Database(file);
database.pragma("journal_mode = WAL");
database.pragma(`synchronous = ${synchronous}`);
database.exec("CREATE TABLE IF NOT EXISTS seats (id INTEGER PRIMARY KEY, holder INTEGER)");
// The index makes looking for a free seat as cheap with 1,000 seats as with one.
database.exec("CREATE INDEX IF NOT EXISTS free_seats ON seats (holder)");
const take = database.prepare(
  "UPDATE seats SET holder = ? WHERE id = (SELECT id FROM seats WHERE holder IS NULL LIMIT 1) RETURNING id",
);
const give = database.prepare("UPDATE seats SET holder = NULL WHERE id = ? AND holder = ?");
const add = database.prepare("INSERT INTO seats (id) VALUES (?)");

const app = Fastify();
const body = (...names) => ({
  type: "object",
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, { type: "integer" }])),
});
const seat = { type: "object", properties: { seat: { type: "integer" } } };

app.post("/access", { schema: { body: body("client"), response: { 200: seat } } }, (request, reply) => {
  const row = take.get(request.body.client);
  if (row === undefined) reply.code(409).send();
  else reply.send({ seat: row.id });
});

app.post("/release", { schema: { body: body("client", "seat") } }, (request, reply) => {
  const { changes } = give.run(request.body.seat, request.body.client);
  reply.code(changes === 1 ? 204 : 404).send();
});

app.post("/reset", { schema: { body: body("seats") } }, (request, reply) => {
  database.transaction(() => {
    database.exec("DELETE FROM seats");
    for (let id = 0; id < request.body.seats; id++) add.run(id);
  })();
  reply.code(204).send();
});

await app.listen({ host: "127.0.0.1", port: Number(port) });
