import assert from "node:assert/strict";
import { VotedClock } from "../../ts/tmr/voted-clock.js";

describe("log time", () => {
  it("advances with the monotonic clock while there is a quorum", () => {
    const clock = new VotedClock();
    clock.start(5_000, 0);
    clock.advance(100, true);
    clock.advance(350, true);
    assert.equal(clock.logMs, 5_250);
  });

  it("stands still during an outage, however long", () => {
    const clock = new VotedClock();
    clock.start(5_000, 0);
    clock.advance(0, true);
    clock.advance(10, true);
    clock.advance(20, false);
    clock.advance(3_600_000, false);
    clock.advance(3_600_010, true);
    clock.advance(3_600_030, true);
    assert.equal(clock.logMs, 5_030);
  });

  it("loses no time in many short steps", () => {
    const clock = new VotedClock();
    clock.start(0, 0);
    for (let i = 0; i <= 1000; i++) clock.advance(i * 0.3, true);
    assert.ok(clock.logMs >= 299 && clock.logMs <= 300, String(clock.logMs));
  });
});

describe("calendar time", () => {
  const at = (...clocks: readonly number[]) => {
    const clock = new VotedClock();
    clock.start(0, 0);
    clocks.forEach((clockMs, i) => {
      clock.sample((i + 1) as 1 | 2 | 3, clockMs, 0);
    });
    return clock;
  };

  it("is the median of three", () => assert.equal(at(1_000, 9_000_000, 1_100).calendarMs(50), 1_150));
  it("is the earlier of two", () => assert.equal(at(2_000, 1_000).calendarMs(0), 1_000));
  it("goes on with the last known offset of an upstream that is away", () => {
    const clock = at(1_000, 2_000, 3_000);
    assert.equal(clock.calendarMs(60_000), 62_000);
  });
  it("never goes back", () => {
    const clock = at(5_000, 5_000, 5_000);
    assert.equal(clock.calendarMs(10), 5_010);
    for (const id of [1, 2, 3] as const) clock.sample(id, 1_000, 20);
    assert.equal(clock.calendarMs(20), 5_010);
  });
  it("starts from what the log said", () => {
    const clock = new VotedClock();
    clock.start(0, 77_000);
    assert.equal(clock.calendarMs(0), 77_000);
  });
});
