// What records ask for and how they end, as numbers on the wire. ts/wire/kinds.ts holds the same.
#pragma once

#include <cstdint>

namespace tmr {

// clang-format off
#define TMR_KINDS(X)  \
  X(openSession, 1)   \
  X(closeSession, 2)  \
  X(heartbeat, 3)     \
  X(access, 4)        \
  X(release, 5)       \
  X(info, 6)          \
  X(containers, 7)    \
  X(items, 8)         \
  X(consume, 9)       \
  X(crypt, 10)        \
  X(readData, 11)     \
  X(writeUserData, 12) \
  X(borrow, 13)       \
  X(returnBorrow, 14) \
  X(handles, 15)      \
  X(status, 64)       \
  X(attest, 65)       \
  X(expire, 128)      \
  X(statement, 129)   \
  X(checkpoint, 130)  \
  X(setAccessList, 131) \
  X(cancelHandle, 132) \
  X(setNamedUser, 133) \
  X(tracking, 134)    \
  X(events, 135)      \
  X(readAccessList, 136) \
  X(succession, 137)  \
  X(notice, 192)

#define TMR_ACCESS_MODES(X) X(userLimit, 1) X(stationShare, 2) X(exclusive, 3) X(noUserLimit, 4)
#define TMR_DATA_KINDS(X) \
  X(ownerInformation, 1) X(userData, 2) X(protectedData, 3) X(extendedProtectedData, 4) X(hiddenData, 5)
#define TMR_CRYPT_METHODS(X) X(hmac, 1) X(hkdf, 2)

// name in C++, name on every other side, number
#define TMR_STATUS_CODES(X)                        \
  X(ok, "ok", 0)                                   \
  X(not_found, "not-found", 1)                     \
  X(not_yet_valid, "not-yet-valid", 2)             \
  X(expired, "expired", 3)                         \
  X(usage_period_over, "usage-period-over", 4)     \
  X(maintenance, "maintenance", 5)                 \
  X(feature_missing, "feature-missing", 6)         \
  X(no_free_license, "no-free-license", 7)         \
  X(units_used_up, "units-used-up", 8)             \
  X(access_list, "access-list", 9)                 \
  X(runtime_too_old, "runtime-too-old", 10)        \
  X(named_user, "named-user", 11)                  \
  X(broken_container, "broken-container", 12)      \
  X(tmr_only, "tmr-only", 13)                      \
  X(no_quorum, "no-quorum", 14)                    \
  X(not_active, "not-active", 15)                  \
  X(handle_unknown, "handle-unknown", 16)          \
  X(handle_lost, "handle-lost", 17)                \
  X(busy, "busy", 18)                              \
  X(session_unknown, "session-unknown", 19)        \
  X(bad_request, "bad-request", 20)                \
  X(stale_request, "stale-request", 21)            \
  X(queued, "queued", 22)                          \
  X(not_borrowable, "not-borrowable", 23)
// clang-format on

/// What a record asks for. Numbers that are not named here arrive too: a record is bytes until it is looked at.
enum class Kind : std::uint8_t {
#define TMR_KIND_MEMBER(name, number) name = number,
  TMR_KINDS(TMR_KIND_MEMBER)
#undef TMR_KIND_MEMBER
};

/// The outcome of a request, as in a result record.
enum class StatusCode : std::uint16_t {
#define TMR_STATUS_MEMBER(name, text, number) name = number,
  TMR_STATUS_CODES(TMR_STATUS_MEMBER)
#undef TMR_STATUS_MEMBER
};

/// Who may send a kind and who answers it.
enum class KindClass : std::uint8_t {
  /// ordered and voted
  ordered,
  /// answered by the TMR server itself, about itself
  local,
  /// proposed by the active TMR server only
  system,
  unknown,
};

constexpr KindClass classify_kind(std::uint8_t kind) noexcept {
  if (kind >= static_cast<std::uint8_t>(Kind::openSession) && kind <= static_cast<std::uint8_t>(Kind::handles)) {
    return KindClass::ordered;
  }
  if (kind >= 64 && kind <= 127) return KindClass::local;
  return kind >= 128 ? KindClass::system : KindClass::unknown;
}

/// True for outcomes that say nothing about whether the request was executed: never stored, asked again by the client.
constexpr bool is_retryable(StatusCode code) noexcept {
  return code == StatusCode::no_quorum || code == StatusCode::not_active || code == StatusCode::busy;
}

}  // namespace tmr
