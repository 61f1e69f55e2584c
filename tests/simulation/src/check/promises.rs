//! Nothing is sent before what it promises is synced: a vote, entries, the term of a leader. And
//! nothing is committed that a quorum has not synced.

use libraft_core::*;

use super::elections::is_quorum;
use super::{Checked, ensure};
use crate::disk::Disk;

/// How far a node's messages wait for its storage, besides votes and acknowledgements, which always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// All of them, since the host persists before it sends.
    All,
    /// With asynchronous writes: requests for votes, and so everything that follows from a won
    /// election.
    VoteRequests,
    /// With asynchronous writes, and without coalesced appends: none, as in etcd-io/raft.
    None,
}

impl Waits {
    pub fn of(config: &Config) -> Waits {
        match (config.async_storage_writes, config.coalesce_appends) {
            (false, _) => Waits::All,
            (true, true) => Waits::VoteRequests,
            (true, false) => Waits::None,
        }
    }
}

/// A node sends a message; `disk` is its own.
pub fn sent(message: &Message, disk: &Disk, waits: Waits) -> Checked {
    let (node, term) = (message.from, message.term);
    let rule = "nothing is sent before it is persisted";
    let synced = disk.hard_state;
    let term_is_synced = match &message.body {
        // It is a question about a term to come, or leave to begin one.
        Body::RequestVote { pre: true, .. } | Body::Vote { pre: true, .. } => true,
        // Only a leader says these, and it has asked for votes.
        Body::RequestVote { .. }
        | Body::Append { .. }
        | Body::Heartbeat { .. }
        | Body::InstallSnapshot { .. }
        | Body::TimeoutNow
            if waits != Waits::None =>
        {
            synced.term >= term
        }
        body if waits != Waits::All && !body.waits_for_storage() => true,
        // Passed on, or answered, for somebody else.
        Body::Propose { .. } | Body::ReadIndex { .. } | Body::TransferLeader => true,
        _ => synced.term >= term,
    };
    ensure(term_is_synced, rule, node, || {
        format!("{:?} while term {} is synced", message.body, synced.term)
    })?;
    match &message.body {
        Body::Vote {
            pre: false,
            granted: true,
        } => {
            // A vote that was delayed may be of a term that the node has left.
            let holds = synced.term > term || synced.vote == message.to;
            ensure(holds, rule, node, || {
                format!("votes for {} while {synced:?} is synced", message.to)
            })
        }
        Body::Accept { index } => {
            let last = disk.last();
            // If it was in an earlier term that the node took them over, another leader may have
            // replaced them by fewer, which it may only if they are not committed.
            let replaced = synced.term > term && last.term > term;
            ensure(*index <= last.index || replaced, rule, node, || {
                format!("acknowledges {index} in term {term} while {last:?} is synced")
            })
        }
        Body::RequestVote {
            pre: false, last, ..
        } if waits != Waits::None => {
            // A request that was delayed may be of a term that the node has left.
            let own = synced.term > term || synced.vote == node;
            // Or else somebody else has won, and replaced what the request speaks of.
            let newest = disk.last().term;
            let lost = synced.term > term || (newest >= term && newest > last.term);
            let has = lost || disk.term(last.index) == Some(last.term);
            ensure(own && has, rule, node, || {
                format!(
                    "asks for votes for {last:?} while {synced:?} is synced, up to {:?}",
                    disk.last()
                )
            })
        }
        _ => Ok(()),
    }
}

/// Somebody is the first to know `id` to be committed: a quorum has it on stable storage.
pub fn committed<'a>(
    node: NodeId,
    id: EntryId,
    confs: impl Iterator<Item = &'a ConfState>,
    disk: impl Fn(NodeId) -> &'a Disk,
    group: Option<&impl Fn(NodeId) -> u64>,
) -> Checked {
    let has = |voter: NodeId| {
        let disk = disk(voter);
        disk.compacted.index >= id.index || disk.term(id.index) == Some(id.term)
    };
    let mut tried = Vec::new();
    for conf in confs {
        let halves = [&conf.voters, &conf.voters_outgoing];
        let by_groups =
            group.is_none_or(|group| halves.iter().all(|half| two_groups_have(half, has, group)));
        if is_quorum(conf, has) && by_groups {
            return Ok(());
        }
        tried.push(conf);
    }
    ensure(false, "committed means synced by a quorum", node, || {
        format!("commits {id:?}, which no quorum of {tried:?} has synced")
    })
}

/// Whether voters of two commit groups have it, or what stands for that: all of them, if only one group
/// is known and not everybody is in it.
fn two_groups_have(
    voters: &[NodeId],
    has: impl Fn(NodeId) -> bool,
    group: impl Fn(NodeId) -> u64,
) -> bool {
    let count = |voters: &mut dyn Iterator<Item = &NodeId>| {
        let mut groups: Vec<u64> = voters.map(|&id| group(id)).filter(|&g| g > 0).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    };
    if count(&mut voters.iter()) >= 2 {
        return count(&mut voters.iter().filter(|&&id| has(id))) >= 2;
    }
    voters.iter().all(|&id| group(id) > 0) || voters.iter().all(|&id| has(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Write;

    fn message(body: Body) -> Message {
        Message {
            to: 2,
            from: 1,
            term: 5,
            body,
        }
    }

    fn disk(term: Term, vote: NodeId, last: Index) -> Disk {
        let mut disk = Disk::default();
        let entry = |index| Entry {
            term,
            index,
            ..Entry::default()
        };
        disk.write(Write::HardState(HardState {
            term,
            vote,
            commit: 0,
        }));
        disk.write(Write::Entries((1..=last).map(entry).collect()));
        disk.sync();
        disk
    }

    #[test]
    fn a_vote_is_synced_before_it_is_sent() {
        let vote = message(Body::Vote {
            pre: false,
            granted: true,
        });
        sent(&vote, &disk(5, 2, 0), Waits::All).unwrap();
        sent(&vote, &disk(6, 0, 0), Waits::All).unwrap();
        assert!(sent(&vote, &disk(5, 0, 0), Waits::None).is_err());
        assert!(sent(&vote, &disk(4, 2, 0), Waits::None).is_err());
    }

    #[test]
    fn entries_are_synced_before_they_are_acknowledged() {
        let accept = message(Body::Accept { index: 3 });
        sent(&accept, &disk(5, 0, 3), Waits::None).unwrap();
        assert!(sent(&accept, &disk(5, 0, 2), Waits::None).is_err());
        assert!(sent(&accept, &disk(4, 0, 3), Waits::None).is_err());
        // The next leader has cut the log short since.
        sent(&accept, &disk(6, 0, 2), Waits::None).unwrap();
    }

    #[test]
    fn what_a_request_for_votes_speaks_of_is_synced() {
        let request = |index| {
            message(Body::RequestVote {
                pre: false,
                last: EntryId { term: 4, index },
                transfer: false,
                priority: 0,
                reports: false,
            })
        };
        for waits in [Waits::All, Waits::VoteRequests] {
            let disk = |term, vote, last| {
                let mut disk = disk(4, 0, last);
                let commit = 0;
                disk.write(Write::HardState(HardState { term, vote, commit }));
                disk.sync();
                disk
            };
            sent(&request(3), &disk(5, 1, 3), waits).unwrap();
            sent(&request(3), &disk(6, 0, 2), waits).unwrap();
            assert!(sent(&request(4), &disk(5, 1, 3), waits).is_err());
            assert!(sent(&request(3), &disk(5, 2, 3), waits).is_err());
            assert!(sent(&request(3), &disk(4, 1, 3), waits).is_err());
        }
        sent(&request(4), &disk(4, 1, 3), Waits::None).unwrap();
        // It has followed the term's leader since, which has replaced a part of its log.
        sent(&request(4), &disk(5, 1, 2), Waits::All).unwrap();
    }

    #[test]
    fn a_leader_has_synced_its_term() {
        let append = Body::Append {
            prev: EntryId::default(),
            entries: vec![].into(),
            commit: 0,
        };
        let append = message(append);
        assert!(sent(&append, &disk(4, 0, 3), Waits::All).is_err());
        assert!(sent(&append, &disk(4, 0, 3), Waits::VoteRequests).is_err());
        sent(&append, &disk(4, 0, 3), Waits::None).unwrap();
    }

    #[test]
    fn what_is_committed_is_on_a_quorum_of_disks() {
        let conf = ConfState::of_voters([1, 2, 3]);
        let disks = [disk(1, 0, 4), disk(1, 0, 3), disk(1, 0, 2)];
        let disk = |id: NodeId| &disks[id as usize - 1];
        let id = |index| EntryId { term: 1, index };
        let committed = |id, group: Option<fn(NodeId) -> u64>| {
            committed(1, id, [&conf].into_iter(), disk, group.as_ref())
        };
        committed(id(3), None).unwrap();
        assert!(committed(id(4), None).is_err());
        let other_term = EntryId { term: 2, index: 1 };
        assert!(committed(other_term, None).is_err());
        // 1 and 2 are of one group, or of two; or nobody knows of whose 3 is.
        assert!(committed(id(3), Some(|id| 1 + id / 3)).is_err());
        committed(id(2), Some(|id| 1 + id / 3)).unwrap();
        committed(id(3), Some(|id| id)).unwrap();
        committed(id(3), Some(|_| 1)).unwrap();
        assert!(committed(id(3), Some(|id| u64::from(id < 3))).is_err());
    }
}
