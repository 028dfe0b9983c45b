#include "sockets/socket.hpp"

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cerrno>

namespace tmr {

namespace {
/// A queue gives back memory above this when it is empty.
constexpr std::size_t kept_bytes = 4096;

uv_buf_t buffer_of(Bytes bytes) noexcept {
  // libuv has one type for reading and writing; it does not change what it writes.
  return uv_buf_init(reinterpret_cast<char*>(const_cast<std::uint8_t*>(bytes.data())),
                     static_cast<unsigned int>(bytes.size()));
}
}  // namespace

#ifdef _WIN32
int Socket::duplicate(int) noexcept { return UV_ENOTSUP; }
int Socket::open(uv_loop_t*, int) noexcept { return UV_ENOTSUP; }
#else
int Socket::duplicate(int descriptor) noexcept {
  // The loop would end the process over a descriptor that it cannot wait for.
  if (uv_guess_handle(descriptor) != UV_TCP) return UV_EINVAL;
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return own < 0 ? uv_translate_sys_error(errno) : own;
}

int Socket::open(uv_loop_t* loop, int descriptor) noexcept {
  int error = uv_tcp_init(loop, &handle_);
  if (error != 0) {
    ::close(descriptor);
    return error;
  }
  initialized_ = true;
  handle_.data = this;
  error = uv_tcp_open(&handle_, descriptor);
  if (error != 0) {
    ::close(descriptor);
    return error;
  }
  error = uv_read_start(stream(), allocate, on_read);
  reading_ = error == 0;
  return error;
}
#endif

std::size_t Socket::unsent() const noexcept {
  return waiting_.size() + (writing_ ? uv_stream_get_write_queue_size(stream()) : 0);
}

void Socket::read(bool on) noexcept {
  if (closing_ || on == reading_) return;
  if (!on) {
    uv_read_stop(stream());
  } else if (uv_read_start(stream(), allocate, on_read) != 0) {
    // It fails only for a connection that has ended: nothing comes any more.
    return;
  }
  reading_ = on;
}

void Socket::write(Bytes bytes) noexcept {
  if (closing_ || ending_) return;
  if (!writing_) {
    const uv_buf_t buffer = buffer_of(bytes);
    const int taken = uv_try_write(stream(), &buffer, 1);
    if (taken < 0 && taken != UV_EAGAIN) return owner_.failed(*this, taken);
    if (taken > 0) bytes = bytes.subspan(static_cast<std::size_t>(taken));
    if (bytes.empty()) return;
  }
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  if (!writing_) write_waiting();
}

void Socket::write_waiting() noexcept {
  under_way_.swap(waiting_);
  const uv_buf_t buffer = buffer_of(under_way_);
  write_request_.data = this;
  const int error = uv_write(&write_request_, stream(), &buffer, 1, on_written);
  if (error != 0) return owner_.failed(*this, error);
  writing_ = true;
}

void Socket::end() noexcept {
  if (closing_ || ending_) return;
  ending_ = true;
  if (!writing_) shut_down();
}

void Socket::shut_down() noexcept {
  shutdown_request_.data = this;
  const int error = uv_shutdown(&shutdown_request_, stream(), on_shut_down);
  if (error != 0) owner_.failed(*this, error);
}

void Socket::close() noexcept {
  if (closing_) return;
  closing_ = true;
  reading_ = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), on_closed);
}

void Socket::allocate(uv_handle_t* handle, std::size_t, uv_buf_t* out) noexcept {
  const MutableBytes room = static_cast<Socket*>(handle->data)->owner_.room();
  *out = uv_buf_init(reinterpret_cast<char*>(room.data()), static_cast<unsigned int>(room.size()));
}

void Socket::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  Socket& socket = *static_cast<Socket*>(stream->data);
  if (count == 0 || socket.closing_) return;
  if (count > 0) {
    return socket.owner_.received(socket, {reinterpret_cast<std::uint8_t*>(buffer->base), static_cast<std::size_t>(count)});
  }
  socket.read(false);
  if (count == UV_EOF) return socket.owner_.ended(socket);
  socket.owner_.failed(socket, static_cast<int>(count));
}

void Socket::on_written(uv_write_t* request, int status) noexcept {
  Socket& socket = *static_cast<Socket*>(request->data);
  socket.writing_ = false;
  clear_and_keep(socket.under_way_, kept_bytes);
  if (socket.closing_) return;
  if (status != 0) return socket.owner_.failed(socket, status);
  if (!socket.waiting_.empty()) return socket.write_waiting();
  clear_and_keep(socket.waiting_, kept_bytes);
  if (socket.ending_) socket.shut_down();
  if (!socket.closing_) socket.owner_.drained(socket);
}

void Socket::on_shut_down(uv_shutdown_t* request, int status) noexcept {
  Socket& socket = *static_cast<Socket*>(request->data);
  if (status != 0 && !socket.closing_) socket.owner_.failed(socket, status);
}

void Socket::on_closed(uv_handle_t* handle) noexcept {
  Socket& socket = *static_cast<Socket*>(handle->data);
  socket.owner_.released(socket);
}

}  // namespace tmr
