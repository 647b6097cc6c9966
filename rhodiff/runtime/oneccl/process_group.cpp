// oneCCL behind torch's c10d Backend API, for tensors on the CPU: what data-parallel training and rhodiff's own
// collectives need. The address of oneCCL's key-value store travels through torch's store.
//
// Not here: send and receive, gather and scatter, all-to-all; torch then says that the backend does not support them.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/utils/pybind.h>

#include <atomic>
#include <optional>

#include "operations.hpp"
#include "peer_watch.hpp"

namespace rhodiff {

using c10d::OpType;
using Tensors = std::vector<at::Tensor>;
using WorkPointer = c10::intrusive_ptr<c10d::Work>;

constexpr const char* kName = "rho_oneccl";

ccl::datatype type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat: return ccl::datatype::float32;
    case at::kDouble: return ccl::datatype::float64;
    case at::kBFloat16: return ccl::datatype::bfloat16;
    case at::kHalf: return ccl::datatype::float16;
    case at::kLong: return ccl::datatype::int64;
    case at::kInt: return ccl::datatype::int32;
    case at::kShort: return ccl::datatype::int16;
    case at::kChar: return ccl::datatype::int8;
    case at::kByte: case at::kBool: return ccl::datatype::uint8;
    default: TORCH_CHECK_TYPE(false, kName, ": a tensor is of type ", tensor.scalar_type(),
                              ", and oneCCL takes float16, bfloat16, float32, float64, bool, uint8 and int8 to int64");
  }
}

ccl::reduction reduction_of(const c10d::ReduceOp& operation, const at::Tensor& tensor) {
  switch (operation.op_) {
    case c10d::ReduceOp::SUM: case c10d::ReduceOp::AVG:
      TORCH_CHECK_TYPE(tensor.scalar_type() != at::kBool, kName, ": a bool tensor has no sum; take MIN or MAX");
      TORCH_CHECK_TYPE(operation.op_ == c10d::ReduceOp::SUM || tensor.is_floating_point(), kName,
                       ": AVG is for floating-point tensors, and this one is of type ", tensor.scalar_type());
      return ccl::reduction::sum;
    case c10d::ReduceOp::PRODUCT: return ccl::reduction::prod;
    case c10d::ReduceOp::MIN: return ccl::reduction::min;
    case c10d::ReduceOp::MAX: return ccl::reduction::max;
    default: TORCH_CHECK_VALUE(false, kName, ": oneCCL reduces by SUM, AVG, PRODUCT, MIN and MAX only");
  }
}

const at::Tensor& checked(const at::Tensor& tensor) {
  TORCH_CHECK_VALUE(tensor.device().is_cpu() && !tensor.is_sparse(), kName, ": takes dense tensors on the CPU, and got ",
                    tensor.layout(), " on ", tensor.device(), ": accelerators have 'xccl' and 'nccl'");
  type_of(tensor);  // here, and not only in the thread that begins operations
  return tensor;
}

const at::Tensor& only(const Tensors& tensors) {
  TORCH_CHECK_VALUE(tensors.size() == 1, kName, ": takes one tensor a call, and got ", tensors.size());
  return checked(tensors[0]);
}

class OneCclGroup : public c10d::Backend {
 public:
  OneCclGroup(const c10::intrusive_ptr<c10d::Store>& store, const c10::intrusive_ptr<c10d::Store>& watch_store,
              int rank, const std::vector<std::string>& names, std::chrono::milliseconds timeout,
              std::chrono::milliseconds connect_timeout, int patience_s)
      : Backend(rank, static_cast<int>(names.size())), timeout_(timeout) {
    const auto size = names.size();
    operations_ = std::make_unique<Operations>([store, rank, size] { return connect(*store, rank, size); });
    watch_ = std::make_unique<PeerWatch>(
        watch_store, rank, names, patience_s, [this] { operations_->check_deadlines(); },
        [this](const std::string& why) { operations_->fail(why); });
    operations_->wait_until_connected(Clock::now() + connect_timeout);
  }

  ~OneCclGroup() override { shutdown(); }

  const std::string getBackendName() const override { return kName; }

  void setTimeout(std::chrono::milliseconds timeout) override { timeout_ = timeout; }

  // The threads that are waited for may need Python's lock: to let go of tensors, to call a future's callbacks.
  void shutdown() override {
    std::optional<pybind11::gil_scoped_release> unlocked;
    if (Py_IsInitialized() && PyGILState_Check()) unlocked.emplace();
    operations_->stop();
    watch_->stop();
  }

  void abort() override {
    operations_->fail("the process group was aborted");
    shutdown();
  }

  uint64_t getSequenceNumberForGroup() override { return sequence_; }
  void setSequenceNumberForGroup() override {}  // it counts from 0 in all processes

  WorkPointer allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    const auto tensor = only(tensors);
    const auto reduction = reduction_of(options.reduceOp, tensor);
    const auto buffer = tensor.contiguous();
    const bool is_mean = options.reduceOp.op_ == c10d::ReduceOp::AVG;
    return launch(
        OpType::ALLREDUCE, "all_reduce", tensors, options.timeout,
        [buffer, reduction](const ccl::communicator& comm) {
          return ccl::allreduce(buffer.data_ptr(), buffer.data_ptr(), buffer.numel(), type_of(buffer), reduction, comm);
        },
        [this, tensor, buffer, is_mean] {
          if (is_mean) buffer.div_(getSize());
          bring(buffer, tensor);
        });
  }

  WorkPointer allreduce_coalesced(Tensors& tensors, const c10d::AllreduceCoalescedOptions& options) override {
    const auto flat = flatten(tensors);
    Tensors one{flat};
    const auto reduction = reduction_of(options.reduceOp, flat);
    const bool is_mean = options.reduceOp.op_ == c10d::ReduceOp::AVG;
    return launch(
        OpType::ALLREDUCE_COALESCED, "all_reduce_coalesced", tensors, options.timeout,
        [flat, reduction](const ccl::communicator& comm) {
          return ccl::allreduce(flat.data_ptr(), flat.data_ptr(), flat.numel(), type_of(flat), reduction, comm);
        },
        [this, tensors, flat, is_mean] {
          if (is_mean) flat.div_(getSize());
          spread(flat, tensors);
        });
  }

  WorkPointer broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    const auto tensor = only(tensors);
    const auto buffer = tensor.contiguous();
    const int root = root_of(options.rootRank);
    return launch(
        OpType::BROADCAST, "broadcast", tensors, options.timeout,
        [buffer, root](const ccl::communicator& comm) {
          return ccl::broadcast(buffer.data_ptr(), buffer.numel(), type_of(buffer), root, comm);
        },
        [tensor, buffer] { bring(buffer, tensor); });
  }

  WorkPointer reduce(Tensors& tensors, const c10d::ReduceOptions& options) override {
    const auto tensor = only(tensors);
    const auto reduction = reduction_of(options.reduceOp, tensor);
    const auto input = tensor.contiguous();
    const auto output = at::empty_like(input);
    const int root = root_of(options.rootRank);
    const bool is_mean = options.reduceOp.op_ == c10d::ReduceOp::AVG;
    return launch(
        OpType::REDUCE, "reduce", tensors, options.timeout,
        [input, output, reduction, root](const ccl::communicator& comm) {
          return ccl::reduce(input.data_ptr(), output.data_ptr(), input.numel(), type_of(input), reduction, root, comm);
        },
        [this, tensor, output, root, is_mean] {
          if (getRank() != root) return;
          if (is_mean) output.div_(getSize());
          bring(output, tensor);
        });
  }

  WorkPointer allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                        const c10d::AllgatherOptions& options) override {
    const auto input = only(inputs).contiguous();
    TORCH_CHECK_VALUE(outputs.size() == 1, kName, ": all_gather takes one list of tensors, and got ", outputs.size());
    const auto parts = same(outputs[0], input, "all_gather");
    const auto flat = at::empty({getSize() * input.numel()}, input.options());
    return launch(OpType::ALLGATHER, "all_gather", parts, options.timeout, gather_into(flat, input),
                  [parts, flat] { spread(flat, parts); });
  }

  WorkPointer _allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& options) override {
    const auto from = checked(input).contiguous();
    checked_size(output, from, getSize(), "all_gather_into_tensor");
    const auto flat = at::empty({getSize() * from.numel()}, from.options());
    return launch(OpType::_ALLGATHER_BASE, "all_gather_into_tensor", {output}, options.timeout,
                  gather_into(flat, from), [output, flat] { output.copy_(flat.view_as(output)); });
  }

  WorkPointer reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                             const c10d::ReduceScatterOptions& options) override {
    const auto output = only(outputs);
    TORCH_CHECK_VALUE(inputs.size() == 1, kName, ": reduce_scatter takes one list of tensors, and got ", inputs.size());
    return scatter_sums(OpType::REDUCE_SCATTER, "reduce_scatter", output,
                        flatten(same(inputs[0], output, "reduce_scatter")), options);
  }

  WorkPointer _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                   const c10d::ReduceScatterOptions& options) override {
    checked_size(input, checked(output), getSize(), "reduce_scatter_tensor");
    return scatter_sums(OpType::_REDUCE_SCATTER_BASE, "reduce_scatter_tensor", output, input.contiguous(), options);
  }

  // Every process adds a number: oneCCL's own barrier would hold up the thread, and with it the deadline.
  WorkPointer barrier(const c10d::BarrierOptions& options) override {
    const auto token = at::ones({1}, at::kInt);
    return launch(
        OpType::BARRIER, "barrier", {token}, options.timeout,
        [token](const ccl::communicator& comm) {
          return ccl::allreduce(token.data_ptr(), token.data_ptr(), 1, ccl::datatype::int32, ccl::reduction::sum, comm);
        },
        [] {});
  }

 private:
  static ccl::communicator connect(c10d::Store& store, int rank, size_t size) {
    ccl::init();
    ccl::shared_ptr_class<ccl::kvs> kvs;
    if (rank == 0) {
      kvs = ccl::create_main_kvs();
      const auto address = kvs->get_address();
      store.set("address", std::vector<uint8_t>(address.begin(), address.end()));
    } else {
      const auto told = store.get("address");
      ccl::kvs::address_type address{};
      std::copy_n(told.begin(), std::min(told.size(), address.size()), address.begin());
      kvs = ccl::create_kvs(address);
    }
    return ccl::create_communicator(static_cast<int>(size), rank, kvs);
  }

  WorkPointer launch(OpType kind, const char* name, const Tensors& outputs, std::chrono::milliseconds timeout,
                     std::function<ccl::event(const ccl::communicator&)> begin, std::function<void()> end) {
    const auto title = std::string(kName) + ":" + name;
    auto operation = std::make_shared<Operation>();
    const uint64_t number = ++sequence_;
    operation->work = c10::make_intrusive<OperationWork>(getRank(), kind, title.c_str(), outputs, number);
    operation->name = std::string(name) + " number " + std::to_string(number);
    operation->deadline = Clock::now() + (timeout > kNoTimeout ? timeout : timeout_);
    operation->begin = std::move(begin);
    operation->end = std::move(end);
    operations_->add(operation);
    return operation->work;
  }

  static std::function<ccl::event(const ccl::communicator&)> gather_into(const at::Tensor& flat,
                                                                         const at::Tensor& input) {
    return [flat, input](const ccl::communicator& comm) {
      return ccl::allgather(input.data_ptr(), flat.data_ptr(), input.numel(), type_of(input), comm);
    };
  }

  WorkPointer scatter_sums(OpType kind, const char* name, const at::Tensor& output, const at::Tensor& input,
                           const c10d::ReduceScatterOptions& options) {
    const auto reduction = reduction_of(options.reduceOp, output);
    const auto buffer = at::empty({output.numel()}, output.options());
    const bool is_mean = options.reduceOp.op_ == c10d::ReduceOp::AVG;
    return launch(
        kind, name, {output}, options.timeout,
        [input, buffer, reduction](const ccl::communicator& comm) {
          return ccl::reduce_scatter(input.data_ptr(), buffer.data_ptr(), buffer.numel(), type_of(buffer), reduction,
                                     comm);
        },
        [this, output, buffer, is_mean] {
          if (is_mean) buffer.div_(getSize());
          output.copy_(buffer.view_as(output));
        });
  }

  int root_of(int64_t rank) const {
    TORCH_CHECK_VALUE(rank >= 0 && rank < getSize(), kName, ": root ", rank, " is not one of ", getSize(), " processes");
    return static_cast<int>(rank);
  }

  Tensors same(const Tensors& tensors, const at::Tensor& like, const char* name) const {
    TORCH_CHECK_VALUE(tensors.size() == static_cast<size_t>(getSize()), kName, ": ", name, " needs a tensor for each of ",
                      getSize(), " processes, and got ", tensors.size());
    for (const auto& tensor : tensors) checked_size(tensor, like, 1, name);
    return tensors;
  }

  static void checked_size(const at::Tensor& tensor, const at::Tensor& like, int64_t times, const char* name) {
    TORCH_CHECK_VALUE(checked(tensor).numel() == times * like.numel() && tensor.scalar_type() == like.scalar_type(),
                      kName, ": ", name, " needs ", times * like.numel(), " numbers of type ", like.scalar_type(),
                      ", and a tensor has ", tensor.numel(), " of type ", tensor.scalar_type());
  }

  static at::Tensor flatten(const Tensors& tensors) {
    TORCH_CHECK_VALUE(!tensors.empty(), kName, ": got no tensor");
    Tensors flat;
    for (const auto& tensor : tensors) {
      TORCH_CHECK_VALUE(tensor.scalar_type() == tensors[0].scalar_type(), kName, ": tensors of one call differ in type");
      flat.push_back(checked(tensor).reshape({-1}));
    }
    return at::cat(flat);
  }

  static void spread(const at::Tensor& flat, const Tensors& tensors) {
    int64_t start = 0;
    for (const auto& tensor : tensors) {
      tensor.copy_(flat.narrow(0, start, tensor.numel()).view_as(tensor));
      start += tensor.numel();
    }
  }

  static void bring(const at::Tensor& buffer, const at::Tensor& tensor) {
    if (!buffer.is_same(tensor)) tensor.copy_(buffer);
  }

  std::chrono::milliseconds timeout_;
  std::atomic<uint64_t> sequence_{0};
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<PeerWatch> watch_;
};

c10::intrusive_ptr<c10d::Backend> make_group(const c10::intrusive_ptr<c10d::Store>& store,
                                             const c10::intrusive_ptr<c10d::Store>& watch_store, int rank,
                                             const std::vector<std::string>& names, double timeout_s,
                                             double connect_timeout_s, int patience_s) {
  const auto milliseconds = [](double seconds) { return std::chrono::milliseconds(static_cast<int64_t>(1e3 * seconds)); };
  return c10::make_intrusive<OneCclGroup>(store, watch_store, rank, names, milliseconds(timeout_s),
                                          milliseconds(connect_timeout_s), patience_s);
}

}  // namespace rhodiff

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("make_group", &rhodiff::make_group, pybind11::call_guard<pybind11::gil_scoped_release>());
  module.def("version", [] { return std::string(ccl::get_library_version().full); });
}
