// What scripts show of a call that has failed.

#pragma once

#include <string>

#include "raft.hpp"

namespace conformance {

/// The library's own words, which say more than the scripts where a proposal is dropped.
inline std::string text_of(const RaftError& error) {
    return error.status() == RAFT_ERR_DROPPED ? "raft proposal dropped" : error.what();
}

}  // namespace conformance
