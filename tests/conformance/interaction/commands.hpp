// The commands of the scripts: their arguments, and what each one does to the cluster.

#pragma once

#include <string>

#include "cluster.hpp"
#include "script.hpp"

namespace conformance {

/// One cluster, from the first block of a script to the last.
class Interaction {
public:
    /// `max_cached_bytes` is what a leader keeps in memory of entries that it no longer needs. The
    /// scripts say nothing of it, and must come out the same with any.
    explicit Interaction(std::uint64_t max_cached_bytes) : max_cached_bytes_(max_cached_bytes) {}

    /// Runs a block's command, and gives what it prints. What a node refuses is printed.
    ///
    /// Throws a ScriptError for a command or an argument that is none.
    std::string play(const Block& block);

private:
    void run(const Block& block);

    void add_nodes(const Block& block);
    void compact(const Block& block);
    void deliver_msgs(const Block& block);
    void log_level(const std::string& level, const Block& block);
    void propose_conf_change(const Block& block);
    void send_snapshot(const Block& block);
    void set_randomized_election_timeout(const Block& block);
    void stabilize(const Block& block);
    void tick(const Block& block, std::uint32_t ticks);
    void transfer_leadership(const Block& block);

    /// Works on each member that is named, below a headline if there are several.
    void for_each_named(const Block& block, const std::string& what, void (Cluster::*work)(Member&, bool));

    Member& member(const Block& block, const std::string& id);
    /// The one member that is the command's only argument.
    Member& only_member(const Block& block);

    std::uint64_t max_cached_bytes_;
    Output output_;
    Cluster cluster_{output_};
};

}  // namespace conformance
