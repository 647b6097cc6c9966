// Collective operations in flight: one thread hands them to oneCCL in order, and completes their Work and Future.
//
// An operation is begun as soon as those before it were, so that several are under way at a time, as the buckets of a
// gradient are. When a peer is lost, or a deadline passes, all of them fail at once, from another thread: oneCCL itself
// waits for ever then. What it may still write to is kept alive, and its communicator is never touched again.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <oneapi/ccl.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>
#include <torch/csrc/distributed/c10d/exception.h>

namespace rhodiff {

using Clock = std::chrono::steady_clock;

inline std::exception_ptr as_error(const std::string& what) {
  try {
    C10_THROW_ERROR(DistBackendError, "rho_oneccl: " + what);
  } catch (...) {
    return std::current_exception();
  }
}

class OperationWork : public c10d::Work {
 public:
  OperationWork(int rank, c10d::OpType kind, const char* title, std::vector<at::Tensor> outputs, uint64_t sequence)
      : c10d::Work(rank, kind, title, std::optional<std::vector<at::Tensor>>(outputs)), outputs_(std::move(outputs)),
        sequence_(sequence),
        future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()))) {}

  std::vector<at::Tensor> result() override { return outputs_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }
  uint64_t getSequencenumber() const override { return sequence_; }

  // Nothing, or why it failed. Waiters go on after the future's callbacks ran.
  void end(const std::exception_ptr& error) {
    if (error) {
      future_->setError(error);
    } else {
      future_->markCompleted(c10::IValue(outputs_));
    }
    finish(error);
  }

 private:
  std::vector<at::Tensor> outputs_;
  const uint64_t sequence_;
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

struct Operation {
  c10::intrusive_ptr<OperationWork> work;
  std::string name;
  Clock::time_point deadline;
  std::function<ccl::event(const ccl::communicator&)> begin;
  std::function<void()> end;  // brings the results to where they belong
  ccl::event event{};
};

class Operations {
 public:
  using Connect = std::function<ccl::communicator()>;

  explicit Operations(Connect connect) : state_(std::make_shared<State>()) {
    thread_ = std::thread([state = state_, connect = std::move(connect)] { run(state, connect); });
  }

  ~Operations() { stop(); }

  // Wait until the communicator is there.
  void wait_until_connected(Clock::time_point deadline) {
    std::unique_lock<std::mutex> guard(state_->mutex);
    const auto is_settled = [this] { return state_->is_connected || !state_->failure.empty(); };
    if (!state_->changed.wait_until(guard, deadline, is_settled)) {
      state_->failure = "oneCCL did not connect its processes in time";
    }
    if (!state_->failure.empty()) std::rethrow_exception(as_error(state_->failure));
  }

  void add(std::shared_ptr<Operation> operation) {
    std::string failure;
    {
      std::lock_guard<std::mutex> guard(state_->mutex);
      failure = state_->is_ending ? "the process group has been destroyed" : state_->failure;
      if (failure.empty()) {
        state_->live.push_back(operation);
        state_->waiting.push_back(operation);
      }
    }
    if (!failure.empty()) {
      operation->work->end(as_error(operation->name + ": " + failure));
      return;
    }
    state_->changed.notify_all();
  }

  // Fail the operations that are over their deadline; then nothing can go on.
  void check_deadlines() {
    std::string late;
    {
      std::lock_guard<std::mutex> guard(state_->mutex);
      for (const auto& operation : state_->live) {
        if (Clock::now() > operation->deadline) late = operation->name;
      }
    }
    if (!late.empty()) fail(late + " was not over at its deadline: another process does not take part in it");
  }

  void fail(const std::string& why) { fail(state_, why); }

  // End the thread when all is done; after a failure, which may have left it within oneCCL, leave it to itself.
  void stop() {
    if (!thread_.joinable()) return;
    std::unique_lock<std::mutex> guard(state_->mutex);
    state_->is_ending = true;
    state_->changed.notify_all();
    state_->changed.wait(guard, [this] { return state_->is_over || !state_->failure.empty(); });
    const bool is_broken = !state_->failure.empty();
    guard.unlock();
    is_broken ? thread_.detach() : thread_.join();
  }

 private:
  using Begun = std::deque<std::shared_ptr<Operation>>;

  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<Operation>> waiting;  // not begun
    std::vector<std::shared_ptr<Operation>> live;    // whose work is not over
    bool is_connected = false, is_ending = false, is_over = false;
    std::string failure;
  };

  static void fail(const std::shared_ptr<State>& state, const std::string& why) {
    std::vector<std::shared_ptr<Operation>> failed;
    {
      std::lock_guard<std::mutex> guard(state->mutex);
      if (!state->failure.empty()) return;
      state->failure = why;
      state->waiting.clear();
      failed.swap(state->live);
    }
    state->changed.notify_all();
    for (const auto& operation : failed) operation->work->end(as_error(operation->name + ": " + why));
  }

  static void run(const std::shared_ptr<State>& state, const Connect& connect) {
    // Never freed: after a failure oneCCL may still use both.
    auto* communicator = new std::shared_ptr<ccl::communicator>();
    auto* begun = new Begun();
    auto pause = std::chrono::microseconds(1);
    try {
      *communicator = std::make_shared<ccl::communicator>(connect());
      tell(*state, &State::is_connected);
      while (work_on(*state, **communicator, *begun, pause)) {
      }
    } catch (const c10::Error& error) {
      fail(state, error.what_without_backtrace());
    } catch (const std::exception& error) {
      fail(state, error.what());
    }
    {
      std::lock_guard<std::mutex> guard(state->mutex);
      if (!state->failure.empty()) return;
    }
    delete begun;
    delete communicator;
    tell(*state, &State::is_over);
  }

  static void tell(State& state, bool State::*fact) {
    {
      std::lock_guard<std::mutex> guard(state.mutex);
      state.*fact = true;
    }
    state.changed.notify_all();
  }

  // Begin what waits, and complete the oldest operation if it is over; false at the end. Looks at one that is under way
  // grow rarer, since waiting processes may share cores with working ones.
  static bool work_on(State& state, const ccl::communicator& communicator, Begun& begun,
                      std::chrono::microseconds& pause) {
    std::deque<std::shared_ptr<Operation>> fresh;
    {
      std::unique_lock<std::mutex> guard(state.mutex);
      const auto has_news = [&] { return !state.waiting.empty() || !state.failure.empty(); };
      if (begun.empty()) {
        state.changed.wait(guard, [&] { return has_news() || state.is_ending; });
      } else {
        state.changed.wait_for(guard, pause, has_news);
      }
      if (!state.failure.empty() || (state.waiting.empty() && begun.empty())) return false;
      fresh.swap(state.waiting);
    }
    for (auto& operation : fresh) {
      begun.push_back(operation);
      operation->event = operation->begin(communicator);
    }
    pause = std::min(pause * 2, std::chrono::microseconds(500));
    while (!begun.empty() && begun.front()->event.test()) {
      complete(state, begun.front());
      begun.pop_front();
      pause = std::chrono::microseconds(1);
    }
    return true;
  }

  static void complete(State& state, const std::shared_ptr<Operation>& operation) {
    operation->end();
    {
      std::lock_guard<std::mutex> guard(state.mutex);
      auto& live = state.live;
      const auto place = std::find(live.begin(), live.end(), operation);
      if (place == live.end()) return;  // it failed meanwhile
      live.erase(place);
    }
    operation->work->end(nullptr);
  }

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace rhodiff
