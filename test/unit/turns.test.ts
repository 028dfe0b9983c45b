import assert from "node:assert/strict";
import { Turns } from "../../ts/transport/turns.js";

describe("work that takes turns", () => {
  /** Work that ends when it is told to. */
  function work(log: string[], name: string): { run: () => Promise<string>; end: () => void; fail: () => void } {
    let end = (): void => {};
    let fail = (): void => {};
    const done = new Promise<string>((resolve, reject) => {
      end = () => resolve(name);
      fail = () => reject(new Error(name));
    });
    return {
      run: () => {
        log.push(name);
        return done;
      },
      end,
      fail,
    };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("is done so many at a time, in the order in which it came", async () => {
    const log: string[] = [];
    const turns = new Turns(2);
    const works = ["a", "b", "c", "d"].map((name) => work(log, name));
    const results = works.map(({ run }) => turns.take(run));
    await turn();
    assert.deepEqual(log, ["a", "b"]);
    assert.equal(turns.waiting, 2);
    works[1]?.end();
    await turn();
    assert.deepEqual(log, ["a", "b", "c"]);
    for (const { end } of works) end();
    assert.deepEqual(await Promise.all(results), ["a", "b", "c", "d"]);
    assert.equal(turns.waiting, 0);
  });

  it("gives its turn on when it fails", async () => {
    const log: string[] = [];
    const turns = new Turns(1);
    const [a, b] = [work(log, "a"), work(log, "b")];
    const [first, second] = [turns.take(a.run), turns.take(b.run)];
    a.fail();
    await assert.rejects(first, /a/);
    b.end();
    assert.equal(await second, "b");
  });
});
