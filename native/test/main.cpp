#include "test/check.hpp"

int main() {
  using namespace tmr::test;
  int passed = 0;
  int failed = 0;
  for (const Test* test = first_test; test != nullptr; test = test->next) {
    current_failed = false;
    test->run();
    if (current_failed) std::fprintf(stderr, "failed: %s\n", test->name);
    (current_failed ? failed : passed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
