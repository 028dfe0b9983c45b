// One line per group of tests, failures in full at the end, then the counts. Started by test/run.mjs, it also sends
// the counts to its parent, which adds those of the native tests.
import mocha from "mocha";

const { EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PASS } = mocha.Runner.constants;

class PlainReporter extends mocha.reporters.Base {
  #group = { title: "", passed: 0, failed: 0, startedAt: 0 };

  constructor(runner, options) {
    super(runner, options);
    const isGroup = (suite) => suite.parent?.root === true;
    runner.on(EVENT_SUITE_BEGIN, (suite) => {
      if (isGroup(suite)) this.#group = { title: suite.title, passed: 0, failed: 0, startedAt: Date.now() };
    });
    runner.on(EVENT_SUITE_END, (suite) => {
      if (isGroup(suite)) this.#printGroup();
    });
    runner.on(EVENT_TEST_PASS, () => {
      this.#group.passed++;
    });
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      this.#group.failed++;
      console.log(`FAILED  ${test.fullTitle()}\n        ${error.message}`);
    });
    runner.on(EVENT_RUN_END, () => this.#printEnd());
  }

  #printGroup() {
    const { title, passed, failed, startedAt } = this.#group;
    if (passed + failed === 0) return;
    const counts = failed === 0 ? `${passed} passed` : `${passed} passed, ${failed} FAILED`;
    console.log(`${title}: ${counts} (${Date.now() - startedAt} ms)`);
  }

  #printEnd() {
    const counts = { passed: this.stats.passes, failed: this.failures.length };
    if (counts.failed > 0) mocha.reporters.Base.list(this.failures);
    console.log(`mocha: ${counts.passed} passed, ${counts.failed} failed`);
    process.send?.(counts);
  }
}

// mocha takes a reporter file's default export.
// oxlint-disable-next-line import/no-default-export
export default PlainReporter;
