// Who of a group is still there: every process says so in torch's store once a second.
//
// Each process counts up its own key. The first one reads all of them, and writes down who stopped; the others read
// that one key, and know that the first one is gone when the store does not answer. So the store serves 2 n requests
// a second, whatever the size of the group. Silence is counted in our own looks, not by a clock: a job that is
// suspended as a whole loses nobody.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

namespace rhodiff {

class PeerWatch {
 public:
  using Tick = std::function<void()>;
  using Lost = std::function<void(const std::string&)>;

  // store: a connection of this thread's own. names: of all processes, for messages. tick: called at each look.
  // lost: called once, with what is to be said about the process that is gone.
  PeerWatch(c10::intrusive_ptr<c10d::Store> store, int rank, std::vector<std::string> names, int patience_s, Tick tick,
            Lost lost)
      : store_(std::move(store)), rank_(rank), names_(std::move(names)), patience_(patience_s),
        tick_(std::move(tick)), lost_(std::move(lost)), last_(names_.size()), silent_(names_.size(), 0) {
    write(beat_key(rank_), "0");
    thread_ = std::thread([this] { run(); });
  }

  ~PeerWatch() { stop(); }

  // Say good-bye and end the thread.
  void stop() {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      if (stopping_) return;
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
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

  bool pause() {
    std::unique_lock<std::mutex> guard(mutex_);
    return changed_.wait_for(guard, std::chrono::seconds(1), [this] { return stopping_; });
  }

  void run() {
    for (long count = 1; !pause(); ++count) {
      tick_();
      if (!has_told_) look(count);
    }
    try {
      if (!has_told_) write(beat_key(rank_), "left");
    } catch (const std::exception&) {
      // The store is gone with the first process: nobody is left to be told.
    }
  }

  void look(long count) {
    try {
      write(beat_key(rank_), std::to_string(count));
      rank_ == 0 ? look_at_all() : look_for_news();
    } catch (const std::exception&) {
      tell(names_[0] + " does not answer any more: it was killed (out of memory?) or its node failed");
    }
  }

  void look_for_news() {
    if (store_->check({"lost"})) tell(read("lost"));
  }

  void look_at_all() {
    for (size_t rank = 1; rank < names_.size(); ++rank) {
      if (!store_->check({beat_key(rank)})) continue;  // it has not begun yet: the rendezvous has its own deadline
      const auto beat = read(beat_key(rank));
      silent_[rank] = beat == last_[rank] ? silent_[rank] + 1 : 0;
      last_[rank] = beat;
      if (silent_[rank] < patience_) continue;
      const auto how = beat == "left" ? " ended before the others"
                                      : " gave no sign of life for " + std::to_string(patience_) +
                                            " s: it was killed (out of memory?) or its node failed";
      write("lost", names_[rank] + how);
      tell(names_[rank] + how);
      return;
    }
  }

  void tell(const std::string& what) {
    has_told_ = true;
    lost_(what);
  }

  c10::intrusive_ptr<c10d::Store> store_;
  const size_t rank_;
  const std::vector<std::string> names_;
  const int patience_;
  Tick tick_;
  Lost lost_;
  std::vector<std::string> last_;
  std::vector<int> silent_;
  bool has_told_ = false;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace rhodiff
