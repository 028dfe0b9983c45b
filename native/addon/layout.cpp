// engine.layout(): every offset, size and number of the wire format as C++ has them, under the names that ts/wire uses.
#include <string>

#include "addon/parts.hpp"
#include "addon/support.hpp"
#include "gateway/options.hpp"
#include "merge/merge.hpp"
#include "sockets/sockets.hpp"
#include "vote/vote.hpp"
#include "wire/batch.hpp"
#include "wire/kinds.hpp"
#include "wire/message.hpp"
#include "wire/records.hpp"
#include "wire/vote.hpp"

namespace tmr::addon {

namespace {

class Table {
 public:
  Table(napi_env env) noexcept : env_(env) { good_ = napi_create_object(env, &object_) == napi_ok; }

  void number(const std::string& name, double value) noexcept {
    good_ = good_ && set_value(env_, object_, name.c_str(), make_number(env_, value));
  }
  void fields(const char* group, std::span<const Field> fields) noexcept {
    for (const Field& field : fields) number(std::string(group) + "." + field.name, static_cast<double>(field.offset));
  }
  napi_value object() const noexcept { return good_ ? object_ : nullptr; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
  bool good_ = false;
};

void add_sizes(Table& table) noexcept {
#define TMR_SIZE(name) table.number(#name, static_cast<double>(name));
  TMR_SIZE(REQUEST_BYTES)
  TMR_SIZE(RESULT_BYTES)
  TMR_SIZE(SESSION_BYTES)
  TMR_SIZE(ADDRESS_BYTES)
  TMR_SIZE(MAX_REQUEST_BLOB_BYTES)
  TMR_SIZE(MAX_RESULT_BLOB_BYTES)
  TMR_SIZE(MESSAGE_HEADER_BYTES)
  TMR_SIZE(MESSAGE_VERSION)
  TMR_SIZE(MAX_PACKET_BYTES)
  TMR_SIZE(MAX_LINK_MESSAGE_BYTES)
  TMR_SIZE(MEMBERS_BYTES)
  TMR_SIZE(BATCH_HEADER_BYTES)
  TMR_SIZE(BATCH_MAGIC)
  TMR_SIZE(BATCH_VERSION)
  TMR_SIZE(DIGEST_BYTES)
  TMR_SIZE(MAX_BATCH_RECORDS)
  TMR_SIZE(MAX_BATCH_BLOB_BYTES)
  TMR_SIZE(VOTE_HEADER_BYTES)
  TMR_SIZE(HOLDING_ENTRY_BYTES)
  TMR_SIZE(MERGED_ENTRY_BYTES)
#undef TMR_SIZE
}

void add_numbers(Table& table) noexcept {
#define TMR_ADD(group, name, value) table.number(group "." name, value);
#define TMR_ADD_KIND(name, value) TMR_ADD("Kind", #name, value)
#define TMR_ADD_MODE(name, value) TMR_ADD("AccessMode", #name, value)
#define TMR_ADD_DATA(name, value) TMR_ADD("DataKind", #name, value)
#define TMR_ADD_CRYPT(name, value) TMR_ADD("CryptMethod", #name, value)
#define TMR_ADD_STATUS(name, text, value) TMR_ADD("Status", text, value)
#define TMR_ADD_TYPE(name, value) TMR_ADD("MessageType", #name, value)
#define TMR_ADD_MERGE_VERDICT(name, value) TMR_ADD("MergeVerdict", #name, value)
  TMR_KINDS(TMR_ADD_KIND)
  TMR_ACCESS_MODES(TMR_ADD_MODE)
  TMR_DATA_KINDS(TMR_ADD_DATA)
  TMR_CRYPT_METHODS(TMR_ADD_CRYPT)
  TMR_STATUS_CODES(TMR_ADD_STATUS)
  TMR_MESSAGE_TYPES(TMR_ADD_TYPE)
  TMR_MERGE_VERDICTS(TMR_ADD_MERGE_VERDICT)
  TMR_ADD("Verdict", "pending", static_cast<double>(Verdict::pending))
  TMR_ADD("Verdict", "carried", static_cast<double>(Verdict::carried))
  TMR_ADD("Verdict", "split", static_cast<double>(Verdict::split))
  TMR_ADD("Verdict", "short", static_cast<double>(Verdict::too_few))
  TMR_ADD("Intake", "ok", static_cast<double>(Intake::ok))
  TMR_ADD("Intake", "closed", static_cast<double>(Intake::closed))
  TMR_ADD("Intake", "malformed", static_cast<double>(Intake::malformed))
  TMR_ADD("Arrived", "clients", Sockets::clients_bit)
  TMR_ADD("Arrived", "closed", Sockets::closed_bit)
#undef TMR_ADD
#undef TMR_ADD_KIND
#undef TMR_ADD_MODE
#undef TMR_ADD_DATA
#undef TMR_ADD_CRYPT
#undef TMR_ADD_STATUS
#undef TMR_ADD_TYPE
#undef TMR_ADD_MERGE_VERDICT
}

napi_value layout(napi_env env, napi_callback_info) noexcept {
  Table table(env);
  table.fields("RequestField", RequestField::fields);
  table.fields("ResultField", ResultField::fields);
  table.fields("MessageField", MessageField::fields);
  table.fields("BatchField", BatchField::fields);
  table.fields("VoteField", VoteField::fields);
  table.fields("HoldingField", HoldingField::fields);
  table.fields("MergedField", MergedField::fields);
  add_sizes(table);
  add_numbers(table);
  return table.object();
}

}  // namespace

bool register_layout(napi_env env, napi_value exports) noexcept { return set_function(env, exports, "layout", layout); }

}  // namespace tmr::addon
