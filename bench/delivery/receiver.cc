// The receiver of all deliveries. In C++, since it runs on the cores that are measured: one in Node takes twice as much of
// them. Raw TCP and just enough HTTP: it counts distinct deliveries, keeps some whole requests, and notes how old each was.
//   receiver ORIGINS HUNG      listens on free ports of loopback, and says which as its first line
// Then it is asked by lines, `ID expect 0|1`, `ID reached N`, `ID report`, `ID cpu`, and answers each by `ID JSON`; sink.ts
// says what they mean. It ends with its standard input.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace {

constexpr char kAnswer[] = "HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n";
constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::string_view kLength = "\r\ncontent-length: ";
constexpr std::string_view kId = "\r\nwebhook-id: ";
/** push-event.ts. */
constexpr std::string_view kSentAt = "sent at ";
/** One of so many is kept. */
constexpr long kSampleEvery = 997;
constexpr int kMostEvents = 256;

enum class Kind { kQuestions, kOrigin, kHungOrigin, kAnswering, kHung };

struct Watched {
  int fd;
  Kind kind;
  /** Of a request that has not come whole. */
  std::string rest;
};

struct Sample {
  std::string head;
  std::string body;
};

struct Report {
  long received = 0;
  std::unordered_set<std::string> ids;
  std::vector<Sample> sample;
  std::vector<double> ages;
};

Report report;
bool is_aged = false;
size_t awaited = 0;
std::string awaited_by;
int epoll = -1;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/** As monotonicMs() of ../processes/child.ts. */
double monotonic_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

void tell(const std::string& id, const std::string& json) {
  std::printf("%s %s\n", id.c_str(), json.c_str());
  std::fflush(stdout);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", value);
  return text;
}

std::string hex(std::string_view bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text = "\"";
  for (unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text + '"';
}

template <typename T, typename F>
std::string list(const std::vector<T>& items, F json_of) {
  std::string json = "[";
  for (const T& item : items) {
    if (json.size() > 1) json += ',';
    json += json_of(item);
  }
  return json + ']';
}

void watch(int fd, Kind kind) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = new Watched{fd, kind, {}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/** @returns its port */
int listen_on_loopback(Kind kind) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, any, length) != 0 || listen(fd, 1024) != 0) fail("listen");
  getsockname(fd, any, &length);
  watch(fd, kind);
  return ntohs(address.sin_port);
}

void accept_all(const Watched& origin) {
  for (;;) {
    const int fd = accept4(origin.fd, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(fd, origin.kind == Kind::kOrigin ? Kind::kAnswering : Kind::kHung);
  }
}

std::string_view value_of(std::string_view head, std::string_view name) {
  const size_t start = head.find(name);
  if (start == std::string_view::npos) return {};
  const size_t from = start + name.size();
  return head.substr(from, head.find('\r', from) - from);
}

void receive(std::string_view head, std::string_view body) {
  report.received++;
  const std::string_view id = value_of(head, kId);
  if (id.empty()) {
    std::fprintf(stderr, "A request without webhook-id:\n%.*s\n", int(head.size()), head.data());
    std::exit(1);
  }
  report.ids.emplace(id);
  if (report.received % kSampleEvery == 1)
    report.sample.push_back({std::string(head), std::string(body)});
  if (is_aged) {
    const size_t at = body.find(kSentAt);
    if (at != std::string_view::npos)
      report.ages.push_back(monotonic_ms() - std::atof(body.data() + at + kSentAt.size()));
  }
  if (awaited != 0 && report.ids.size() >= awaited) {
    tell(awaited_by, number(monotonic_ms()));
    awaited = 0;
  }
}

/** @returns what is left: a request that has not come whole */
std::string_view take_requests(int fd, std::string_view bytes) {
  for (;;) {
    const size_t end_of_head = bytes.find(kEndOfHead);
    if (end_of_head == std::string_view::npos) return bytes;
    const std::string_view head = bytes.substr(0, end_of_head);
    const std::string_view length = value_of(head, kLength);
    const size_t from = end_of_head + kEndOfHead.size();
    const size_t end = from + (length.empty() ? 0 : std::strtoul(length.data(), nullptr, 10));
    if (bytes.size() < end) return bytes;
    if (write(fd, kAnswer, sizeof kAnswer - 1) < 0 && errno != EPIPE && errno != ECONNRESET) fail("write");
    receive(head, bytes.substr(from, end - from));
    bytes.remove_prefix(end);
  }
}

char buffer[256 * 1024];

void read_from(Watched* connection) {
  const ssize_t count = read(connection->fd, buffer, sizeof buffer);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) {
    close(connection->fd);
    delete connection;
    return;
  }
  if (connection->kind == Kind::kHung) return;
  std::string& rest = connection->rest;
  if (rest.empty()) {
    rest = take_requests(connection->fd, {buffer, size_t(count)});
    return;
  }
  rest.append(buffer, size_t(count));
  rest = std::string(take_requests(connection->fd, rest));
}

double cpu_ms() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](timeval time) { return time.tv_sec * 1e3 + time.tv_usec / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

std::string told_report() {
  const auto sample = [](const Sample& kept) {
    return "{\"head\":" + hex(kept.head) + ",\"body\":" + hex(kept.body) + "}";
  };
  return "{\"received\":" + std::to_string(report.received) +
         ",\"distinct\":" + std::to_string(report.ids.size()) +
         ",\"sample\":" + list(report.sample, sample) + ",\"ages\":" + list(report.ages, number) + "}";
}

void answer(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string id = line.substr(0, space);
  const std::string question = line.substr(space + 1);
  const auto argument = [&] { return std::strtoul(question.c_str() + question.find(' '), nullptr, 10); };
  if (question.rfind("expect ", 0) == 0) {
    report = {};
    awaited = 0;
    is_aged = argument() != 0;
    tell(id, "null");
  } else if (question.rfind("reached ", 0) == 0) {
    if (report.ids.size() >= argument()) return tell(id, number(monotonic_ms()));
    awaited = argument();
    awaited_by = id;
  } else if (question == "report") {
    tell(id, told_report());
  } else {
    tell(id, number(cpu_ms()));
  }
}

void read_questions(Watched* input) {
  const ssize_t count = read(input->fd, buffer, sizeof buffer);
  if (count <= 0) std::exit(0);
  input->rest.append(buffer, size_t(count));
  for (size_t end; (end = input->rest.find('\n')) != std::string::npos;) {
    answer(input->rest.substr(0, end));
    input->rest.erase(0, end + 1);
  }
}

}  // namespace

int main(int, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  // The terminal's Ctrl-C reaches every process; whoever asks says when to end.
  signal(SIGINT, SIG_IGN);
  epoll = epoll_create1(0);
  const auto ports = [](const char* count, Kind kind) {
    std::vector<int> all;
    for (int left = std::atoi(count); left > 0; left--) all.push_back(listen_on_loopback(kind));
    return list(all, [](int port) { return std::to_string(port); });
  };
  const std::string origins = ports(argv[1], Kind::kOrigin);
  tell("0", "{\"origins\":" + origins + ",\"hung\":" + ports(argv[2], Kind::kHungOrigin) + "}");
  watch(STDIN_FILENO, Kind::kQuestions);
  epoll_event events[kMostEvents];
  for (;;) {
    const int count = epoll_wait(epoll, events, kMostEvents, -1);
    for (int i = 0; i < count; i++) {
      auto* watched = static_cast<Watched*>(events[i].data.ptr);
      if (watched->kind == Kind::kQuestions) read_questions(watched);
      else if (watched->kind == Kind::kOrigin || watched->kind == Kind::kHungOrigin) accept_all(*watched);
      else read_from(watched);
    }
  }
}
