// Native objects inside JavaScript objects: built first and wrapped after, so that none is ever half open; found again
// only through their type tag, so that a borrowed method on a wrong receiver throws instead of reading foreign memory.
#pragma once

#include <memory>
#include <utility>

#include "addon/support.hpp"

namespace tmr::addon {

/// T has `class_name`, `class_id` and `tag` as static members, and a destructor that releases everything.
template <class T>
class Wrapped {
 public:
  /// Once per environment, before the first `create`. The methods are put on the prototype one by one: as part of the
  /// class, V8 would itself refuse a wrong receiver, with an error that has no code.
  template <std::size_t Count>
  static bool define(napi_env env, const napi_property_descriptor (&properties)[Count]) noexcept {
    napi_value constructor = nullptr;
    napi_value prototype = nullptr;
    return napi_define_class(env, T::class_name, NAPI_AUTO_LENGTH, construct, nullptr, 0, nullptr, &constructor) ==
               napi_ok &&
           napi_get_named_property(env, constructor, "prototype", &prototype) == napi_ok &&
           napi_define_properties(env, prototype, Count, properties) == napi_ok &&
           napi_create_reference(env, constructor, 1, &constructor_of(env)) == napi_ok;
  }

  /// The JavaScript object that owns `native` from now on. nullptr: an exception is pending and `native` is gone.
  static napi_value create(napi_env env, std::unique_ptr<T> native) noexcept {
    napi_value constructor = nullptr;
    napi_value object = nullptr;
    if (napi_get_reference_value(env, constructor_of(env), &constructor) != napi_ok) return nullptr;
    Environment::of(env)->constructing = true;
    const napi_status created = napi_new_instance(env, constructor, 0, nullptr, &object);
    Environment::of(env)->constructing = false;
    if (created != napi_ok || napi_type_tag_object(env, object, &T::tag) != napi_ok) return nullptr;
    if (napi_wrap(env, object, native.get(), finalize, nullptr, nullptr) != napi_ok) return nullptr;
    native.release();
    return object;
  }

  /// The native object behind `value`, or nullptr without throwing. Looking up a tag costs more than most calls do, so the
  /// last one of its class that was seen is known by its address: as long as it lives nothing else can be there.
  static T* find(napi_env env, napi_value value) noexcept {
    bool tagged = false;
    void* native = nullptr;
    if (value == nullptr || napi_unwrap(env, value, &native) != napi_ok || native == nullptr) return nullptr;
    if (native == last_seen(env)) return static_cast<T*>(native);
    if (napi_check_object_type_tag(env, value, &T::tag, &tagged) != napi_ok || !tagged) return nullptr;
    last_seen(env) = native;
    return static_cast<T*>(native);
  }

  /// The native object a method was called on; otherwise throws ERR_TMR_ARGUMENT.
  static T* receiver(napi_env env, napi_value self) noexcept {
    T* native = find(env, self);
    if (native == nullptr) throw_misuse(env, Misuse::argument, "the receiver is not a %s", T::class_name);
    return native;
  }

 private:
  static napi_ref& constructor_of(napi_env env) noexcept {
    return Environment::of(env)->constructors[static_cast<std::size_t>(T::class_id)];
  }

  static void*& last_seen(napi_env env) noexcept {
    return Environment::of(env)->last_seen[static_cast<std::size_t>(T::class_id)];
  }

  static napi_value construct(napi_env env, napi_callback_info info) noexcept {
    if (!Environment::of(env)->constructing) {
      return throw_misuse(env, Misuse::argument, "%s cannot be constructed, only made by the engine", T::class_name);
    }
    Environment::of(env)->constructing = false;
    return Call<0>(env, info).self;
  }

  static void finalize(napi_env env, void* native, void*) noexcept {
    if (Environment* environment = Environment::of(env); environment != nullptr) {
      void*& last = environment->last_seen[static_cast<std::size_t>(T::class_id)];
      if (last == native) last = nullptr;
    }
    delete static_cast<T*>(native);
  }
};

}  // namespace tmr::addon
