/** The other end of sd_notify: a real Unix datagram socket, which Node does not have; Python holds it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

const program = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    print(s.recv(65536).decode("utf-8").encode("unicode_escape").decode("ascii"), flush=True)
`;

export class NotifyReceiver {
  /** What NOTIFY_SOCKET is set to. */
  readonly path: string;
  /** Messages in the order in which they came. */
  readonly messages: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  /** Listens at a path or, with `@` before it, at an abstract name. */
  static async listen(path: string): Promise<NotifyReceiver> {
    const child = spawn("python3", ["-c", program, path], { stdio: ["ignore", "pipe", "inherit"] });
    const receiver = new NotifyReceiver(path, child);
    await new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`nobody listens at ${path}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line === "bound") resolve();
        else receiver.#take(line.replaceAll("\\n", "\n"));
      });
    });
    return receiver;
  }

  /** The first message from number `from` on that fits; the deadline is an error. */
  async message(fits: RegExp, from = 0, deadlineMs = 30_000): Promise<string> {
    const found = (): string | undefined => this.messages.slice(from).find((message) => fits.test(message));
    if (found() === undefined) {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`no ${fits} within ${deadlineMs} ms, but ${JSON.stringify(this.messages.slice(from))}`));
        }, deadlineMs);
        const look = (): void => {
          if (found() === undefined) return;
          clearTimeout(late);
          this.#waiting.delete(look);
          resolve();
        };
        this.#waiting.add(look);
      });
    }
    return found() as string;
  }

  close(): void {
    this.#child.removeAllListeners("exit");
    this.#child.kill("SIGKILL");
  }

  #take(message: string): void {
    this.messages.push(message);
    for (const look of this.#waiting) look();
  }
}
