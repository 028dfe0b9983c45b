// The load as an object for JavaScript. Calls block: the process that makes them does nothing else.
#include <arpa/inet.h>
#include <napi.h>

#include <cstring>

#include "load.hpp"

namespace tmr::bench {

namespace {

constexpr double millisecond = 1e6;

class LoadObject final : public Napi::ObjectWrap<LoadObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Load",
                       {InstanceMethod<&LoadObject::open>("open"), InstanceMethod<&LoadObject::start>("start"),
                        InstanceMethod<&LoadObject::run>("run"), InstanceMethod<&LoadObject::begin_window>("beginWindow"),
                        InstanceMethod<&LoadObject::end_window>("endWindow"), InstanceMethod<&LoadObject::drain>("drain"),
                        InstanceMethod<&LoadObject::close>("close"), InstanceMethod<&LoadObject::result>("result")});
  }

  explicit LoadObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoadObject>(info) {
    LoadOptions options;
    if (!info[0].IsObject() || !read_options(info[0].As<Napi::Object>(), options)) {
      Napi::TypeError::New(info.Env(), "expected the options of a load").ThrowAsJavaScriptException();
      return;
    }
    load_ = std::make_unique<Load>(options);
  }

 private:
  static double number_of(const Napi::Object& from, const char* name) {
    const Napi::Value value = from.Get(name);
    return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  }

  static bool read_options(const Napi::Object& from, LoadOptions& options) {
    const Napi::Value key = from.Get("serverKey");
    const Napi::Value ports = from.Get("ports");
    if (!key.IsTypedArray() || !ports.IsArray() || ports.As<Napi::Array>().Length() != 2) return false;
    const auto bytes = key.As<Napi::Uint8Array>();
    if (bytes.ByteLength() != options.server_key.size()) return false;
    std::memcpy(options.server_key.data(), bytes.Data(), options.server_key.size());
    for (std::uint32_t i = 0; i < 2; i++) {
      options.servers[i].sin_family = AF_INET;
      options.servers[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      options.servers[i].sin_port = htons(static_cast<std::uint16_t>(ports.As<Napi::Array>().Get(i).ToNumber().Uint32Value()));
    }
    options.first_server = number_of(from, "firstServer") == 0 ? 0 : 1;
    options.clients = static_cast<std::uint32_t>(number_of(from, "clients"));
    options.lanes = static_cast<std::uint32_t>(number_of(from, "lanes"));
    options.firm_code = static_cast<std::uint32_t>(number_of(from, "firmCode"));
    options.product_code = static_cast<std::uint32_t>(number_of(from, "productCode"));
    options.rate = number_of(from, "rate");
    options.seats = static_cast<std::uint32_t>(number_of(from, "seats"));
    options.hold_ns = static_cast<std::uint64_t>(number_of(from, "holdMs") * millisecond);
    return options.clients > 0 && options.clients <= 20'000 && options.lanes > 0 && options.lanes <= 256;
  }

  static std::uint64_t duration_of(const Napi::CallbackInfo& info) {
    return static_cast<std::uint64_t>(info[0].ToNumber().DoubleValue() * millisecond);
  }

  Napi::Value open(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), load_->open(duration_of(info)));
  }
  void start(const Napi::CallbackInfo&) { load_->start(); }
  void run(const Napi::CallbackInfo& info) { load_->run(duration_of(info)); }
  void begin_window(const Napi::CallbackInfo&) { load_->begin_window(); }
  void end_window(const Napi::CallbackInfo&) { load_->end_window(); }
  Napi::Value drain(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(load_->drain(duration_of(info))));
  }
  Napi::Value close(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(load_->close(duration_of(info))));
  }

  /// Times in milliseconds.
  static Napi::Object times(Napi::Env env, const Histogram& histogram) {
    Napi::Object object = Napi::Object::New(env);
    const auto set = [&](const char* name, double nanoseconds) { object.Set(name, nanoseconds / millisecond); };
    set("mean", histogram.mean());
    set("p50", static_cast<double>(histogram.quantile(0.5)));
    set("p90", static_cast<double>(histogram.quantile(0.9)));
    set("p99", static_cast<double>(histogram.quantile(0.99)));
    set("p999", static_cast<double>(histogram.quantile(0.999)));
    set("max", static_cast<double>(histogram.max()));
    return object;
  }

  Napi::Value result(const Napi::CallbackInfo& info) {
    Napi::Object object = Napi::Object::New(info.Env());
    const LoadCounts& counts = load_->counts();
    const auto set = [&](const char* name, std::uint64_t value) { object.Set(name, static_cast<double>(value)); };
    set("checkouts", counts.checkouts);
    set("requests", counts.requests);
    set("denied", counts.denied);
    set("mostOut", counts.most_out);
    set("overAllocated", counts.over_allocated);
    set("repeated", counts.repeated);
    set("reconnects", counts.reconnects);
    set("late", counts.late);
    set("noQuorum", counts.no_quorum);
    set("notActive", counts.not_active);
    set("busy", counts.busy);
    set("unexpected", counts.unexpected);
    set("unexpectedKind", counts.unexpected_kind);
    set("unexpectedStatus", counts.unexpected_status);
    set("mostBehind", counts.most_behind);
    object.Set("gapMs", static_cast<double>(counts.gap_ns) / millisecond);
    object.Set("gapAtMs", static_cast<double>(counts.gap_at_ns) / millisecond);
    object.Set("checkoutMs", times(info.Env(), load_->checkouts()));
    object.Set("requestMs", times(info.Env(), load_->requests()));
    return object;
  }

  std::unique_ptr<Load> load_;
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Load", LoadObject::define(env));
  return exports;
}

}  // namespace

}  // namespace tmr::bench

using tmr::bench::initialize;
NODE_API_MODULE(tmr_load, initialize)
