/** Both ends of one TCP connection on this machine. */
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

export async function connectedSockets(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ pauseOnConnect: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = createConnection({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", noDelay: true });
  far.on("error", () => {});
  const [near] = (await once(server, "connection")) as [Socket];
  server.close();
  return { near, far };
}
