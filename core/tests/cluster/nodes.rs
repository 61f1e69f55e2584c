//! Shorthands for single nodes and messages. The nodes are those of the paper: without what the
//! later sections add (pre-votes, check of the quorum), and with an append for every proposal.

use bytes::Bytes;
use libraft_core::*;

use super::Member;

/// The paper's Raft.
pub fn plain(id: NodeId) -> Config {
    Config {
        pre_vote: false,
        check_quorum: false,
        coalesce_appends: false,
        ..Config::new(id)
    }
}

/// What thesis §4.2.3, §6.2 and §9.6 add to it.
pub fn guarded(id: NodeId) -> Config {
    Config {
        pre_vote: true,
        check_quorum: true,
        ..plain(id)
    }
}

/// A node of a group of `voters`, in `term`, with a stored log of entries of these terms.
pub fn node(id: NodeId, voters: u64, term: Term, terms: &[Term]) -> Member {
    node_with(plain(id), voters, term, terms)
}

/// The same with other settings.
pub fn node_with(config: Config, voters: u64, term: Term, terms: &[Term]) -> Member {
    node_in(config, ConfState::of_voters(1..=voters), term, terms)
}

/// The same in any configuration.
pub fn node_in(config: Config, members: ConfState, term: Term, terms: &[Term]) -> Member {
    let hard_state = HardState {
        term,
        ..HardState::default()
    };
    Member::start(config, members, hard_state, terms)
}

/// Node 1, leader of a group of `voters` in the term after the last one of its log. It has
/// written the empty entry that begins its term, and nobody has acknowledged anything.
pub fn new_leader(voters: u64, terms: &[Term]) -> Member {
    new_leader_with(plain(1), voters, terms)
}

/// The same with other settings.
pub fn new_leader_with(config: Config, voters: u64, terms: &[Term]) -> Member {
    new_leader_in(config, ConfState::of_voters(1..=voters), terms)
}

/// The same in any configuration.
pub fn new_leader_in(config: Config, members: ConfState, terms: &[Term]) -> Member {
    let term = terms.last().copied().unwrap_or(0);
    let mut leader = node_in(config, members, term, terms);
    win(&mut leader);
    leader
}

/// Lets the node win an election, by all votes there are.
pub fn win(candidate: &mut Member) {
    candidate.node.campaign().unwrap();
    candidate.rest();
    let conf_state = candidate.conf_state.clone();
    for pre in [true, false] {
        for &voter in conf_state.voters.iter().chain(&conf_state.voters_outgoing) {
            let candidates = match pre {
                true => Role::PreCandidate,
                false => Role::Candidate,
            };
            if voter != candidate.node.id() && candidate.role() == candidates {
                let term = candidate.term() + u64::from(pre);
                candidate.hear(voter, term, Body::Vote { pre, granted: true });
            }
        }
    }
    assert_eq!(candidate.role(), Role::Leader);
}

/// The same leader, when all have acknowledged that entry.
pub fn leader(voters: u64, terms: &[Term]) -> Member {
    leader_with(plain(1), voters, terms)
}

/// The same with other settings.
pub fn leader_with(config: Config, voters: u64, terms: &[Term]) -> Member {
    leader_in(config, ConfState::of_voters(1..=voters), terms)
}

/// The same in any configuration.
pub fn leader_in(config: Config, members: ConfState, terms: &[Term]) -> Member {
    let mut leader = new_leader_in(config, members.clone(), terms);
    all_accept(&mut leader);
    leader
}

/// All members acknowledge all that the leader has. Returns what it has sent.
pub fn all_accept(leader: &mut Member) -> Vec<Message> {
    let (term, index) = (leader.term(), leader.last_index());
    let conf_state = leader.conf_state.clone();
    let mut members = [
        conf_state.voters,
        conf_state.voters_outgoing,
        conf_state.learners,
    ]
    .concat();
    members.sort_unstable();
    members.dedup();
    let mut sent = leader.rest();
    for id in members {
        if id != leader.node.id() {
            sent.extend(leader.hear(id, term, accept(index)));
        }
    }
    sent
}

/// Proposes a command. Returns what there is to send.
pub fn propose(leader: &mut Member, command: &'static str) -> Vec<Message> {
    leader.node.propose(Bytes::from(command)).unwrap();
    leader.rest()
}

pub fn id(term: Term, index: Index) -> EntryId {
    EntryId { term, index }
}

/// Entries of these terms that follow `prev`.
pub fn entries_after(prev: EntryId, terms: &[Term]) -> Vec<Entry> {
    let entry = |(index, &term): (Index, &Term)| Entry {
        term,
        index,
        data: Bytes::from(format!("{term}.{index}")),
        ..Entry::default()
    };
    (prev.index + 1..).zip(terms).map(entry).collect()
}

/// An append of entries of these terms.
pub fn append(prev: EntryId, terms: &[Term], commit: Index) -> Body {
    Body::Append {
        prev,
        entries: entries_after(prev, terms).into(),
        commit,
    }
}

pub fn heartbeat(commit: Index) -> Body {
    Body::Heartbeat {
        commit,
        context: Bytes::new(),
    }
}

pub fn heartbeat_resp() -> Body {
    Body::HeartbeatResp {
        context: Bytes::new(),
    }
}

pub fn accept(index: Index) -> Body {
    Body::Accept { index }
}

pub fn request_vote(last: EntryId) -> Body {
    Body::RequestVote {
        priority: 0,
        reports: false,
        pre: false,
        last,
        transfer: false,
    }
}

pub fn request_pre_vote(last: EntryId) -> Body {
    Body::RequestVote {
        priority: 0,
        reports: false,
        pre: true,
        last,
        transfer: false,
    }
}

pub fn vote(granted: bool) -> Body {
    Body::Vote {
        pre: false,
        granted,
    }
}

pub fn pre_vote(granted: bool) -> Body {
    Body::Vote { pre: true, granted }
}

/// A snapshot of everything up to `id`, with these voters.
pub fn snapshot(id: EntryId, voters: impl IntoIterator<Item = NodeId>) -> Snapshot {
    Snapshot {
        id,
        conf_state: ConfState::of_voters(voters),
        data: Bytes::from_static(b"state"),
    }
}

pub fn install(snapshot: &Snapshot) -> Body {
    Body::InstallSnapshot {
        snapshot: Box::new(snapshot.clone()),
    }
}

/// A change of one member.
pub fn change(kind: ConfChangeKind, node_id: NodeId) -> ConfChange {
    super::change(kind, node_id)
}

/// What is said to `to`.
pub fn to(messages: &[Message], to: NodeId) -> Vec<Body> {
    let of = messages.iter().filter(|message| message.to == to);
    of.map(|message| message.body.clone()).collect()
}

/// To whom something like this is said.
pub fn recipients(messages: &[Message], is: impl Fn(&Body) -> bool) -> Vec<NodeId> {
    let of = messages.iter().filter(|message| is(&message.body));
    of.map(|message| message.to).collect()
}

pub fn is_append(body: &Body) -> bool {
    matches!(body, Body::Append { .. })
}

pub fn is_heartbeat(body: &Body) -> bool {
    matches!(body, Body::Heartbeat { .. })
}

pub fn is_request_vote(body: &Body) -> bool {
    matches!(body, Body::RequestVote { .. })
}

/// Whether `voter` gets this question answered with a vote.
pub fn grants(voter: &mut Member, from: NodeId, term: Term, request: Body) -> bool {
    let answers = voter.hear(from, term, request);
    answers
        .iter()
        .any(|answer| matches!(answer.body, Body::Vote { granted: true, .. }) && answer.to == from)
}

/// Lets two nodes talk until neither has anything more to say; what is for others is lost.
/// Returns what they have said.
pub fn talk(first: Vec<Message>, a: &mut Member, b: &mut Member) -> Vec<Message> {
    let mut said = Vec::new();
    let mut waiting = first;
    while !waiting.is_empty() {
        assert!(said.len() < 10_000, "they come to an end");
        let mut next = Vec::new();
        for message in waiting {
            let Message {
                to,
                from,
                term,
                body,
            } = message.clone();
            let ids = [a.node.id(), b.node.id()];
            if ids.contains(&to) && ids.contains(&from) {
                said.push(message);
                let member = if to == ids[0] { &mut *a } else { &mut *b };
                next.extend(member.hear(from, term, body));
            }
        }
        waiting = next;
    }
    said
}
