//! What nodes say about themselves as a text for Prometheus: its exposition format, version 0.0.4.
//!
//! The tables below, and [`Metrics::COUNTERS`], are all that there is to a metric. A family is written
//! once with the samples of all nodes, since the format wants its HELP and TYPE once, and its samples
//! together.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::metrics::Metrics;
use crate::status::{BasicStatus, FlowState, ProgressStatus, Status};
use crate::types::Role;

/// What the text is, for the header Content-Type of an HTTP response.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels that the library sets itself.
const OWN_LABELS: [&str; 4] = ["node", "peer", "role", "state"];

/// A gauge of a node.
type NodeGauge = (&'static str, &'static str, fn(&BasicStatus) -> u64);

const NODE_GAUGES: &[NodeGauge] = &[
    ("libraft_term", "The term of the node.", |node| {
        node.hard_state.term
    }),
    (
        "libraft_vote",
        "Whom the node has voted for in its term, 0 for nobody.",
        |node| node.hard_state.vote,
    ),
    (
        "libraft_commit_index",
        "The highest index known to be committed.",
        |node| node.hard_state.commit,
    ),
    (
        "libraft_applied_index",
        "The last index that the host has applied.",
        |node| node.applied,
    ),
    (
        "libraft_first_index",
        "The first index of the log that has not been compacted.",
        |node| node.first_index,
    ),
    ("libraft_last_index", "The last index of the log.", |node| {
        node.last_index
    }),
    (
        "libraft_persisted_index",
        "The last index that is on the node's stable storage.",
        |node| node.persisted,
    ),
    (
        "libraft_leader_id",
        "The leader that the node knows of, 0 for none.",
        |node| node.soft_state.leader,
    ),
    (
        "libraft_is_leader",
        "1 if the node leads, otherwise 0.",
        |node| u64::from(node.soft_state.role == Role::Leader),
    ),
    (
        "libraft_lead_transferee_id",
        "To whom the leader is handing over, 0 for nobody.",
        |node| node.lead_transferee,
    ),
    (
        "libraft_removed_as_of_index",
        "Where the node was no member any more, 0 if it is one as far as it knows.",
        |node| node.removed_as_of,
    ),
];

/// A gauge of how many members have a part in the configuration.
type MemberGauge = (&'static str, &'static str, fn(&Status) -> u64);

const MEMBER_GAUGES: &[MemberGauge] = &[
    (
        "libraft_voters",
        "Voters in the configuration; of a joint one, in its new half.",
        |status| status.conf_state.voters.len() as u64,
    ),
    (
        "libraft_voters_outgoing",
        "Voters in the old half of a joint configuration; 0 if it is not joint.",
        |status| status.conf_state.voters_outgoing.len() as u64,
    ),
    ("libraft_learners", "Members that have no vote.", |status| {
        status.conf_state.learners.len() as u64
    }),
];

/// A gauge of a member, on the leader.
type PeerGauge = (&'static str, &'static str, fn(&ProgressStatus) -> u64);

const PEER_GAUGES: &[PeerGauge] = &[
    (
        "libraft_peer_match_index",
        "On a leader: the last index known to be on the member's stable storage.",
        |peer| peer.match_index,
    ),
    (
        "libraft_peer_next_index",
        "On a leader: the next index to send to the member.",
        |peer| peer.next_index,
    ),
    (
        "libraft_peer_pending_snapshot_index",
        "On a leader: the index of the snapshot on its way to the member, 0 if none is.",
        |peer| peer.pending_snapshot,
    ),
    (
        "libraft_peer_inflight_messages",
        "On a leader: appends to the member that are in flight.",
        |peer| peer.inflight_messages as u64,
    ),
    (
        "libraft_peer_inflight_bytes",
        "On a leader: payload bytes to the member that are in flight.",
        |peer| peer.inflight_bytes,
    ),
    (
        "libraft_peer_inflight_full",
        "On a leader: 1 if no further append to the member may be in flight.",
        |peer| u64::from(peer.inflight_full),
    ),
    (
        "libraft_peer_paused",
        "On a leader: 1 if sending to the member waits for an answer.",
        |peer| u64::from(peer.paused),
    ),
    (
        "libraft_peer_recent_active",
        "On a leader: 1 if the member was heard from since the last check of the quorum.",
        |peer| u64::from(peer.recent_active),
    ),
    (
        "libraft_peer_learner",
        "On a leader: 1 if the member has no vote.",
        |peer| u64::from(peer.learner),
    ),
];

/// Why nodes can't be written for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpositionError {
    /// A name that Prometheus does not take.
    #[error(
        "{0:?} is no name for a label: use letters, digits and _, no digit first, and no two _ first"
    )]
    LabelName(String),
    /// A name that the library uses itself.
    #[error(
        "the label {0:?} is set by the library (node, peer, role and state are): use another name"
    )]
    OwnLabel(String),
    /// A name that a node has twice.
    #[error("the label {0:?} is given twice for a node: give each name once")]
    RepeatedLabel(String),
    /// Two nodes that can't be told apart.
    #[error(
        "two nodes have the id {0} and the same labels: give each a label of its own, such as its group"
    )]
    SameNode(u64),
}

/// Nodes that are to be written as one text.
///
/// ```
/// # use libraft_core::{Config, Node, RestartState};
/// # let node = Node::new(Config::new(1), RestartState::default())?;
/// use libraft_core::prometheus::Exposition;
///
/// let mut exposition = Exposition::default();
/// exposition.add(&[("group", "accounts")], node.status(), node.metrics())?;
/// let text = exposition.to_string();
/// assert!(text.contains("libraft_ticks_total{node=\"1\",group=\"accounts\"} 0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    nodes: Vec<Sampled>,
    /// Their labels, sorted by name.
    known: BTreeSet<(u64, Vec<(String, String)>)>,
}

/// A node at one moment.
#[derive(Clone, Debug)]
struct Sampled {
    /// The labels of all its samples, as they are written, without the braces.
    labels: String,
    status: Status,
    metrics: Metrics,
}

impl Exposition {
    /// Adds a node with these labels, names and values, besides `node`, its id. An error means that
    /// nothing has been added.
    pub fn add(
        &mut self,
        labels: &[(&str, &str)],
        status: Status,
        metrics: Metrics,
    ) -> Result<(), ExpositionError> {
        let id = status.basic.id;
        let mut written = format!("node=\"{id}\"");
        let mut sorted = Vec::with_capacity(labels.len());
        for &(name, value) in labels {
            check_name(name)?;
            write_label(&mut written, name, value);
            sorted.push((name.to_owned(), value.to_owned()));
        }
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(ExpositionError::RepeatedLabel(pair[0].0.clone()));
        }
        // A label with an empty value is the same as none, for Prometheus.
        sorted.retain(|(_, value)| !value.is_empty());
        if !self.known.insert((id, sorted)) {
            return Err(ExpositionError::SameNode(id));
        }
        self.nodes.push(Sampled {
            labels: written,
            status,
            metrics,
        });
        Ok(())
    }
}

/// The text; empty if there are no nodes.
impl fmt::Display for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes.is_empty() {
            return Ok(());
        }
        for (name, help, value) in NODE_GAUGES {
            family(f, name, help, "gauge")?;
            for node in &self.nodes {
                sample(f, name, &node.labels, value(&node.status.basic))?;
            }
        }
        for (name, help, value) in MEMBER_GAUGES {
            family(f, name, help, "gauge")?;
            for node in &self.nodes {
                sample(f, name, &node.labels, value(&node.status))?;
            }
        }
        self.roles(f)?;
        for (name, help, value) in PEER_GAUGES {
            self.peers(f, name, help, |f, labels, peer| {
                sample(f, name, labels, value(peer))
            })?;
        }
        self.flows(f)?;
        for counter in Metrics::COUNTERS {
            let name = format!("libraft_{}_total", counter.name());
            family(f, &name, counter.help(), "counter")?;
            for node in &self.nodes {
                sample(f, &name, &node.labels, counter.value(&node.metrics))?;
            }
        }
        Ok(())
    }
}

impl Exposition {
    /// One sample for each role, of which one is 1.
    fn roles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = "libraft_role";
        family(
            f,
            name,
            "1 for the role that the node has, 0 for the others.",
            "gauge",
        )?;
        for node in &self.nodes {
            for role in [
                Role::Follower,
                Role::PreCandidate,
                Role::Candidate,
                Role::Leader,
            ] {
                let labels = format!("{},role=\"{}\"", node.labels, role.name());
                let has = node.status.basic.soft_state.role == role;
                sample(f, name, &labels, u64::from(has))?;
            }
        }
        Ok(())
    }

    /// One sample for each state of flow of each member, of which one is 1.
    fn flows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = "libraft_peer_flow";
        let help = "On a leader: 1 for how it sends to the member, 0 for the other ways.";
        self.peers(f, name, help, |f, labels, peer| {
            for state in [FlowState::Probe, FlowState::Replicate, FlowState::Snapshot] {
                let labels = format!("{labels},state=\"{}\"", state.name());
                sample(f, name, &labels, u64::from(peer.state == state))?;
            }
            Ok(())
        })
    }

    /// A family with samples of each member that a leader knows of.
    fn peers(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        help: &str,
        write: impl Fn(&mut fmt::Formatter<'_>, &str, &ProgressStatus) -> fmt::Result,
    ) -> fmt::Result {
        if self
            .nodes
            .iter()
            .all(|node| node.status.progress.is_empty())
        {
            return Ok(());
        }
        family(f, name, help, "gauge")?;
        for node in &self.nodes {
            for peer in &node.status.progress {
                let labels = format!("{},peer=\"{}\"", node.labels, peer.id);
                write(f, &labels, peer)?;
            }
        }
        Ok(())
    }
}

/// No text of ours has a backslash or a line end, which a HELP would have to escape.
fn family(f: &mut fmt::Formatter<'_>, name: &str, help: &str, kind: &str) -> fmt::Result {
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn sample(f: &mut fmt::Formatter<'_>, name: &str, labels: &str, value: u64) -> fmt::Result {
    writeln!(f, "{name}{{{labels}}} {value}")
}

fn check_name(name: &str) -> Result<(), ExpositionError> {
    let mut chars = name.chars();
    let begins = chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let goes_on = chars.all(|next| next.is_ascii_alphanumeric() || next == '_');
    if !begins || !goes_on || name.starts_with("__") {
        return Err(ExpositionError::LabelName(name.to_owned()));
    }
    if OWN_LABELS.contains(&name) {
        return Err(ExpositionError::OwnLabel(name.to_owned()));
    }
    Ok(())
}

fn write_label(out: &mut String, name: &str, value: &str) {
    // To write to a String can't fail.
    let _ = write!(out, ",{name}=\"");
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
