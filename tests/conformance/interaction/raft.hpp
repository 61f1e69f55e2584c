// The C interface with what C++ does for it: handles that free themselves, and failures that are
// thrown. There is no decision here.

#pragma once

#include <libraft.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace conformance {

/// A call on the library has failed.
class RaftError : public std::runtime_error {
public:
    RaftError(raft_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    raft_status status() const { return status_; }

private:
    raft_status status_;
};

/// Calls a function whose last parameter is the place for an error, which is left out here.
template <typename... Parameters, typename... Arguments>
void call(raft_status (*function)(Parameters...), Arguments&&... arguments) {
    raft_error* error = nullptr;
    const raft_status status = function(std::forward<Arguments>(arguments)..., &error);
    if (status == RAFT_OK) return;
    const std::unique_ptr<raft_error, decltype(&raft_error_free)> owner(error, &raft_error_free);
    throw RaftError(status, raft_error_message(error));
}

template <auto free>
struct Free {
    template <typename T>
    void operator()(T* handle) const {
        free(handle);
    }
};

using Config = std::unique_ptr<raft_config, Free<raft_config_free>>;
using Storage = std::unique_ptr<raft_storage, Free<raft_storage_free>>;
using Node = std::unique_ptr<raft_node, Free<raft_node_free>>;
using Buffer = std::unique_ptr<raft_buffer, Free<raft_buffer_free>>;
using Entries = std::unique_ptr<raft_entries, Free<raft_entries_free>>;
using OwnedConfState = std::unique_ptr<raft_conf_state, Free<raft_conf_state_free>>;
using ConfChange = std::unique_ptr<raft_conf_change, Free<raft_conf_change_free>>;

/// Calls a function that makes an object, and takes it over.
template <typename Handle, typename... Parameters, typename... Arguments>
Handle make(raft_status (*function)(Parameters...), Arguments&&... arguments) {
    typename Handle::pointer made = nullptr;
    call(function, std::forward<Arguments>(arguments)..., &made);
    return Handle(made);
}

inline const std::uint8_t* bytes(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

inline std::string_view view(raft_bytes bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.len}; }

inline raft_bytes view(std::string_view text) { return {bytes(text), text.size()}; }

}  // namespace conformance
