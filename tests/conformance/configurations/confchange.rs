//! `simple`, `enter-joint` and `leave-joint`: one configuration, changed from block to block.

use std::fmt::Write as _;

use libraft_core::membership::Membership;
use libraft_core::tracker::{Flow, InflightLimits, Tracker};
use libraft_core::{AutoLeave, ConfChangeKind, ConfChangeSingle, Index, NodeId};

use crate::script::{Block, Failure};

/// A configuration, and the progress of its members as their leader would see it.
pub struct Configuration {
    membership: Membership,
    tracker: Tracker,
    /// Of the leader's log. It grows by one with each block, so that a member's progress shows
    /// when it was made.
    last_index: Index,
}

impl Default for Configuration {
    fn default() -> Configuration {
        let membership = Membership::default();
        Configuration {
            tracker: Tracker::new(&membership, 0, limits_for),
            membership,
            last_index: 0,
        }
    }
}

fn limits_for(_: NodeId) -> InflightLimits {
    InflightLimits {
        messages: 10,
        bytes: u64::MAX,
    }
}

impl Configuration {
    /// Changes the configuration, and prints it. A change that does not fit is printed as an error,
    /// and changes nothing but the last index.
    pub fn play(&mut self, block: &Block) -> Result<String, Failure> {
        let auto_leave = auto_leave(block)?;
        let steps = steps(block)?;
        let last_index = self.last_index;
        self.last_index += 1;

        let changed = match block.command.as_str() {
            "simple" => self.membership.simple(&steps),
            "enter-joint" => self.membership.enter_joint(auto_leave, &steps),
            _ if !steps.is_empty() => return Err(block.fail("takes no input")),
            _ => self.membership.leave_joint(),
        };
        match changed {
            Ok(changed) => {
                self.membership = changed.membership;
                self.tracker
                    .reconfigure(&self.membership, &changed.added, last_index, limits_for);
                Ok(self.describe())
            }
            Err(error) => Ok(format!("{error}\n")),
        }
    }

    fn describe(&self) -> String {
        let state = self.membership.conf_state();
        let mut text = format!("voters={}", list(&state.voters));
        if !state.voters_outgoing.is_empty() {
            let _ = write!(text, "&&{}", list(&state.voters_outgoing));
        }
        if !state.learners.is_empty() {
            let _ = write!(text, " learners={}", list(&state.learners));
        }
        if !state.learners_next.is_empty() {
            let _ = write!(text, " learners_next={}", list(&state.learners_next));
        }
        if state.auto_leave {
            text += " autoleave";
        }
        text += "\n";
        for peer in self.tracker.iter() {
            let flow = match peer.flow {
                Flow::Probe => "StateProbe",
                Flow::Replicate { .. } => "StateReplicate",
                Flow::Snapshot { .. } => "StateSnapshot",
            };
            let (id, matched, next) = (peer.id, peer.match_index, peer.next_index);
            let _ = write!(text, "{id}: {flow} match={matched} next={next}");
            if peer.is_learner {
                text += " learner";
            }
            if !peer.recent_active {
                text += " inactive";
            }
            text += "\n";
        }
        text
    }
}

fn list(ids: &[NodeId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("{id:x}")).collect();
    format!("({})", ids.join(" "))
}

fn auto_leave(block: &Block) -> Result<AutoLeave, Failure> {
    let mut auto_leave = AutoLeave(false);
    for argument in &block.arguments {
        let value = argument.values.as_deref().unwrap_or(&[]);
        match (block.command.as_str(), argument.key.as_str(), value) {
            ("enter-joint", "autoleave", [value]) => {
                let value = value.parse();
                let value = value.map_err(|_| block.fail("autoleave is true or false"))?;
                auto_leave = AutoLeave(value);
            }
            (_, key, _) => return Err(block.fail(format!("there is no argument {key}"))),
        }
    }
    Ok(auto_leave)
}

/// `v1 l2 r3 u4`: add a voter, add a learner, remove, update.
fn steps(block: &Block) -> Result<Vec<ConfChangeSingle>, Failure> {
    let step = |word: &str| {
        let fail = || block.fail(format!("'{word}' is no step of a change"));
        let mut letters = word.chars();
        let kind = match letters.next() {
            Some('v') => ConfChangeKind::AddNode,
            Some('l') => ConfChangeKind::AddLearnerNode,
            Some('r') => ConfChangeKind::RemoveNode,
            Some('u') => ConfChangeKind::UpdateNode,
            _ => return Err(fail()),
        };
        let node_id = letters.as_str().parse().map_err(|_| fail())?;
        Ok(ConfChangeSingle { kind, node_id })
    };
    block.input.split_whitespace().map(step).collect()
}
