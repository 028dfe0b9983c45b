#include "http2.hpp"

namespace load {
namespace {

constexpr std::size_t kFrameHeader = 9;
constexpr std::size_t kGrpcPrefix = 5;
constexpr std::uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7, kWindowUpdate = 8;
constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;

void put_frame(std::string& out, std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  put32(out, static_cast<std::uint32_t>(payload.size()) << 8 | type);
  out.push_back(static_cast<char>(flags));
  put32(out, stream);
  out += payload;
}

/// HPACK: a literal that enters no table, its name by index or written out.
void put_string(std::string& out, std::string_view text) {
  out.push_back(static_cast<char>(text.size()));  // below 127 for all that is sent here
  out += text;
}

std::string headers(std::string_view path, std::string_view authority) {
  std::string out = "\x83\x86\x04";  // :method POST, :scheme http, then the name :path
  put_string(out, path);
  out += '\x01';  // :authority
  put_string(out, authority);
  out += "\x0f\x10";  // content-type
  put_string(out, "application/grpc");
  out += '\0';
  put_string(out, "te");
  put_string(out, "trailers");
  return out;
}

}  // namespace

GrpcConnection::GrpcConnection(std::uint16_t port, Listener& listener)
    : connection_(port, *this), listener_(listener), authority_("127.0.0.1:" + std::to_string(port)) {
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  put_frame(out, kSettings, 0, 0, "");
  std::string window;
  put32(window, 1U << 30);  // so large that it needs no second one
  put_frame(out, kWindowUpdate, 0, 0, window);
  connection_.send(out);
}

void GrpcConnection::call(std::string_view path, std::string_view message) {
  std::string data(1, '\0');
  put32(data, static_cast<std::uint32_t>(message.size()));
  data += message;
  std::string out;
  put_frame(out, kHeaders, kEndHeaders, stream_, headers(path, authority_));
  put_frame(out, kData, kEndStream, stream_, data);
  open_ = true;
  body_.clear();
  connection_.send(out);
}

void GrpcConnection::call_and_wait(std::string_view path, std::string_view message) {
  call(path, message);
  wait();
}

void GrpcConnection::wait() {
  while (open_) connection_.read_some();
}

std::size_t GrpcConnection::receive(std::string_view bytes) {
  std::size_t at = 0;
  while (bytes.size() - at >= kFrameHeader) {
    const std::size_t length = get32(bytes, at) >> 8;
    if (bytes.size() - at < kFrameHeader + length) break;
    const auto type = static_cast<std::uint8_t>(bytes[at + 3]);
    const auto flags = static_cast<std::uint8_t>(bytes[at + 4]);
    const std::string_view payload = bytes.substr(at + kFrameHeader, length);
    at += kFrameHeader + length;
    frame(type, flags, payload);
  }
  return at;
}

void GrpcConnection::frame(std::uint8_t type, std::uint8_t flags, std::string_view payload) {
  if (type == kReset || type == kGoAway) fail("grpc: the peer ended the call or the connection");
  if ((type == kSettings || type == kPing) && (flags & kAck) == 0) {
    std::string out;
    put_frame(out, type, kAck, 0, type == kPing ? payload : "");
    connection_.send(out);
  }
  if (type == kData) body_ += payload;
  if ((type != kData && type != kHeaders) || (flags & kEndStream) == 0) return;
  if (body_.size() < kGrpcPrefix) fail("grpc: an answer without a message");
  open_ = false;
  stream_ += 2;
  const std::string body = std::move(body_);
  listener_.answered(std::string_view(body).substr(kGrpcPrefix));
}

}  // namespace load
