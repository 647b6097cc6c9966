// Who of a group is still there: every process says so in torch's store once a second.
//
// Each process counts up its own key. The first one reads all of them, and writes down who stopped; the others read
// that one key, and know that the first one is gone when the store fails or does not answer. So the store serves 4 n
// requests a second for n processes. Silence is counted in our own looks, not by a clock: a job that
// is suspended as a whole loses nobody.
//
// One thread speaks with the store, which may hold it for ever where a node lost its power; another one looks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

namespace rhodiff {

constexpr auto kLook = std::chrono::seconds(1);

// Speaks with the store in a thread of its own, and keeps what it heard.
class Speaker : public std::enable_shared_from_this<Speaker> {
 public:
  Speaker(c10::intrusive_ptr<c10d::Store> store, size_t rank, std::vector<std::string> names, int patience_s)
      : store_(std::move(store)), rank_(rank), names_(std::move(names)), patience_(patience_s), last_(names_.size()),
        silent_(names_.size(), 0) {}

  void start() {
    thread_ = std::thread([self = shared_from_this()] { self->run(); });
  }

  // Say good-bye; a store that does not answer is left alone.
  void stop() {
    std::unique_lock<std::mutex> guard(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
    const bool is_over = changed_.wait_for(guard, 2 * kLook, [this] { return is_over_; });
    guard.unlock();
    is_over ? thread_.join() : thread_.detach();
  }

  // How often the store answered, and what was heard of a loss.
  std::pair<long, std::string> heard() {
    std::lock_guard<std::mutex> guard(mutex_);
    return {answers_, loss_};
  }

 private:
  static std::string beat_key(size_t rank) { return "beat/" + std::to_string(rank); }

  void write(const std::string& key, const std::string& value) {
    store_->set(key, std::vector<uint8_t>(value.begin(), value.end()));
  }

  std::string read(const std::string& key) {
    const auto value = store_->get(key);
    return {value.begin(), value.end()};
  }

  void run() {
    std::string loss;
    try {
      for (long count = 0; loss.empty(); ++count) {
        write(beat_key(rank_), std::to_string(count));
        loss = rank_ == 0 ? look_at_all() : look_for_news();
        if (loss.empty() && pause(count)) break;
      }
      if (loss.empty()) write(beat_key(rank_), "left");
    } catch (const std::exception&) {
      loss = names_[0] + " does not answer any more: it was killed (out of memory?) or its node failed";
    }
    std::lock_guard<std::mutex> guard(mutex_);
    loss_ = loss;
    is_over_ = true;
    changed_.notify_all();
  }

  // Wait for the next look; true at the end.
  bool pause(long count) {
    std::unique_lock<std::mutex> guard(mutex_);
    answers_ = count;
    return changed_.wait_for(guard, kLook, [this] { return is_stopping_; });
  }

  std::string look_for_news() { return store_->check({"lost"}) ? read("lost") : ""; }

  std::string look_at_all() {
    for (size_t rank = 1; rank < names_.size(); ++rank) {
      const auto beat = store_->check({beat_key(rank)}) ? read(beat_key(rank)) : "";  // none yet: silent as well
      silent_[rank] = beat == last_[rank] ? silent_[rank] + 1 : 0;
      last_[rank] = beat;
      if (silent_[rank] < patience_) continue;
      const auto loss = names_[rank] + (beat == "left" ? " ended before the others"
                                                       : " gave no sign of life for " + std::to_string(patience_) +
                                                             " s: it was killed (out of memory?) or its node failed");
      write("lost", loss);
      return loss;
    }
    return "";
  }

  c10::intrusive_ptr<c10d::Store> store_;
  const size_t rank_;
  const std::vector<std::string> names_;
  const int patience_;
  std::vector<std::string> last_;
  std::vector<int> silent_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false, is_over_ = false;
  long answers_ = 0;
  std::string loss_;
  std::thread thread_;
};

class PeerWatch {
 public:
  using Tick = std::function<void()>;
  using Lost = std::function<void(const std::string&)>;

  // store: a connection of the watch's own. names: of all processes, for messages. tick: called at each look.
  // lost: called once, with what is to be said about the process that is gone.
  PeerWatch(c10::intrusive_ptr<c10d::Store> store, int rank, const std::vector<std::string>& names, int patience_s,
            Tick tick, Lost lost)
      : first_(names[0]), patience_(patience_s), tick_(std::move(tick)), lost_(std::move(lost)),
        speaker_(std::make_shared<Speaker>(std::move(store), rank, names, patience_s)) {
    speaker_->start();
    thread_ = std::thread([this] { run(); });
  }

  ~PeerWatch() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    speaker_->stop();
  }

 private:
  bool pause() {
    std::unique_lock<std::mutex> guard(mutex_);
    return changed_.wait_for(guard, kLook, [this] { return is_stopping_; });
  }

  void run() {
    bool has_told = false;
    while (!pause()) {
      tick_();
      const auto loss = has_told ? "" : look();
      if (loss.empty()) continue;
      has_told = true;
      lost_(loss);
    }
  }

  std::string look() {
    const auto [answers, loss] = speaker_->heard();
    silent_ = answers == last_ ? silent_ + 1 : 0;
    last_ = answers;
    if (!loss.empty() || silent_ < patience_) return loss;
    return first_ + " gave no answer for " + std::to_string(patience_) + " s: its node failed, or it is suspended";
  }

  const std::string first_;
  const int patience_;
  Tick tick_;
  Lost lost_;
  std::shared_ptr<Speaker> speaker_;
  long last_ = -1;
  int silent_ = 0;
  bool is_stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace rhodiff
