// A small test harness: TEST registers a function, CHECK counts, main prints `N passed, M failed`.
#pragma once

#include <cstdio>

namespace tmr::test {

struct Test {
  const char* name;
  void (*run)();
  Test* next;
};

inline Test* first_test = nullptr;
inline bool current_failed = false;

struct Registration {
  Registration(Test& test) noexcept {
    test.next = first_test;
    first_test = &test;
  }
};

inline void check(bool holds, const char* expression, const char* file, int line) noexcept {
  if (holds) return;
  current_failed = true;
  std::fprintf(stderr, "%s:%d: CHECK(%s) does not hold\n", file, line, expression);
}

}  // namespace tmr::test

#define TMR_JOIN_INNER(a, b) a##b
#define TMR_JOIN(a, b) TMR_JOIN_INNER(a, b)

/// TEST("statement of behaviour") { ... }
#define TEST(statement)                                                                              \
  static void TMR_JOIN(test_body_, __LINE__)();                                                      \
  static ::tmr::test::Test TMR_JOIN(test_, __LINE__){statement, TMR_JOIN(test_body_, __LINE__), nullptr}; \
  static const ::tmr::test::Registration TMR_JOIN(registration_, __LINE__)(TMR_JOIN(test_, __LINE__)); \
  static void TMR_JOIN(test_body_, __LINE__)()

/// Counts the test as failed when the expression is false, and goes on.
#define CHECK(expression) ::tmr::test::check(static_cast<bool>(expression), #expression, __FILE__, __LINE__)
