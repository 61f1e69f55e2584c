// The text of everything that the scripts show.

#pragma once

#include <libraft.h>

#include <string>
#include <string_view>

#include "wire.hpp"

namespace conformance {

/// The number of a message's type by its name in raftpb; -1 for a name that is none.
std::int32_t message_type(std::string_view name);
std::string_view role_name(raft_role role);

std::string describe(const wire::Entry& entry);
std::string describe(const wire::Snapshot& snapshot);
/// Without a newline at the end. Parts on lines of their own are `indent` deep.
std::string describe(const wire::Message& message, const std::string& indent = "");
std::string describe(const wire::Progress& progress);
/// With a newline at the end unless it is empty.
std::string describe(const raft_ready& ready);

}  // namespace conformance
