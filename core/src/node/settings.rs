//! What can be set while a node runs.

use super::Node;
use crate::error::{Error, Result};
use crate::recording::Call;
use crate::tracker::InflightLimits;
use crate::types::*;

impl Node {
    /// Sets [`crate::Config::priority`].
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn set_priority(&mut self, priority: i64) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::SetPriority(priority)),
            |node, ()| {
                node.raft.core_mut().limits.priority = priority;
                Ok(())
            },
        )
    }

    /// From now on, at most so many appends and payload bytes are in flight to this member, in
    /// place of [`crate::Config::max_inflight_msgs`] and [`crate::Config::max_inflight_bytes`], and also when
    /// this node comes to lead later. 0 bytes stand for no limit; 0 messages keep all entries back
    /// that need not be sent to find out what the member has. What is on its way already counts:
    /// a window that becomes too small for it is full until that has arrived.
    ///
    /// # Errors
    /// [`Error::Misuse`] for the member 0.
    pub fn set_inflight_limits(
        &mut self,
        id: NodeId,
        max_messages: u32,
        max_bytes: u64,
    ) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::of_set_inflight_limits(id, max_messages, max_bytes)),
            |node, ()| {
                if id == NONE {
                    return Err(Error::Misuse("0 is no node: ids begin at 1"));
                }
                let limits = InflightLimits::new(max_messages, max_bytes);
                node.raft.set_inflight_limits(id, limits);
                Ok(())
            },
        )
    }

    /// Sets [`crate::Config::max_apply_unpersisted_entries`], which matters with asynchronous storage
    /// writes, and while this node leads.
    ///
    /// Entries that are handed out so are committed, and safe with others, but a crash may leave
    /// this node's state machine ahead of its log. A state machine that is durable on its own has
    /// to know up to where it has applied. After such a crash, the host starts the node with
    /// [`RestartState::applied`] = its log's last index, and passes over the entries that come back
    /// to be applied and that the state machine has already; an `applied` beyond the log is an
    /// error. Configuration changes never run ahead, so that none is among them. Nor may the log
    /// be compacted beyond what is persisted.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn set_max_apply_unpersisted_entries(&mut self, entries: u64) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::SetMaxApplyUnpersistedEntries(entries)),
            |node, ()| {
                node.raft.core_mut().limits.max_apply_unpersisted_entries = entries;
                Ok(())
            },
        )
    }

    /// With group commit, this node commits as a leader only what members of two commit groups
    /// have, besides a majority: [`Node::assign_commit_groups`] says who belongs where. While it
    /// knows of only one group or none, and of a voter that has none, only what all voters have;
    /// with all of them in one group, a majority is enough. In a joint configuration, each half
    /// has to have it so. Off at first; kept in memory only.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn enable_group_commit(&mut self, enable: bool) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::EnableGroupCommit(enable)),
            |node, ()| {
                node.raft.enable_group_commit(enable);
                Ok(())
            },
        )
    }

    /// Puts members into commit groups, numbered from 1; others stay where they are. It outlasts
    /// changes of this node's role and of the members, but not a restart.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a member or a group 0; nothing has changed.
    pub fn assign_commit_groups(&mut self, groups: &[(NodeId, u64)]) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::of_assign_commit_groups(groups)),
            |node, ()| node.raft.assign_commit_groups(groups),
        )
    }

    /// Takes all members out of their commit groups.
    ///
    /// # Errors
    /// [`Error::Poisoned`] only.
    pub fn clear_commit_groups(&mut self) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::ClearCommitGroups(Default::default())),
            |node, ()| {
                node.raft.clear_commit_groups();
                Ok(())
            },
        )
    }

    /// Fixes the randomized election timeout, in ticks, until the next change of role or term.
    /// For tests that need to know which node campaigns first.
    ///
    /// # Errors
    /// [`Error::Misuse`] for 0 ticks.
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) -> Result<()> {
        self.call(
            (),
            |()| Ok(Call::SetRandomizedElectionTimeout(ticks)),
            |node, ()| {
                if ticks == 0 {
                    return Err(Error::Misuse(
                        "an election timeout is at least one tick, and not 0",
                    ));
                }
                node.raft.core_mut().timer.set_randomized_timeout(ticks);
                Ok(())
            },
        )
    }
}
