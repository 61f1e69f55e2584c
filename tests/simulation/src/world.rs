//! The cluster, and what an action does to it. Everything here is determined by the actions: no
//! clock, no random number, no thread. After each one the checks are made.

use std::collections::BTreeSet;

use bytes::Bytes;
use std::result::Result;

use libraft_core::*;

use crate::action::Action;
use crate::check::leases::Delivered;
use crate::check::promises::Waits;
use crate::check::{Checked, Checks, Violation, ensure, status};
use crate::flights::{Flights, Naming};
use crate::host::Host;
use crate::mix::mix;
use crate::plan::{MAX_HOSTS, Plan};
use crate::tally::{Kind, Tally};
use crate::trace::Trace;

#[derive(Debug)]
pub struct World {
    pub hosts: Vec<Host>,
    pub flights: Flights,
    pub checks: Checks,
    /// The sum of all that has happened: two runs with the same sum were the same.
    pub sum: u64,
    /// The sum is made of bytes.
    pub exact: bool,
    pub events: u64,
    pub tally: Tally,
    pub trace: Option<Box<Trace>>,
    /// Requests of nodes that nobody has seen yet.
    pub asked: Vec<(NodeId, RequestId)>,
    /// The node that the last action was about.
    pub touched: Option<NodeId>,
    /// What the last action delivered to a node.
    pub delivered: Option<Delivered>,
    /// The leaders, with their terms, that have told somebody to campaign.
    pub transfers: BTreeSet<(NodeId, Term)>,
    plan: Plan,
    founders: Vec<(NodeId, Bytes)>,
}

/// Whether the action could be carried out.
pub type Done = Result<bool, Violation>;

impl World {
    /// The first members, up and running. `named` if messages need names.
    pub fn new(plan: &Plan, naming: Naming, named: bool) -> World {
        let founders: Vec<(NodeId, Bytes)> =
            (1..=plan.nodes).map(|id| (id, Bytes::new())).collect();
        let mut world = World {
            hosts: Vec::new(),
            flights: Flights::new(naming, named),
            checks: Checks::default(),
            sum: plan.seed,
            exact: false,
            events: 0,
            tally: Tally::default(),
            trace: None,
            asked: Vec::new(),
            touched: None,
            delivered: None,
            transfers: BTreeSet::new(),
            plan: plan.clone(),
            founders,
        };
        world.found();
        world
    }

    fn found(&mut self) {
        let nodes = self.plan.nodes;
        let first = EntryId { term: 1, index: 1 };
        if self.plan.bootstrap {
            self.checks.membership.found(nodes);
        } else {
            self.checks.logs.found(first);
        }
        for id in 1..=nodes {
            let mut host = self.blank_host(id);
            if !self.plan.bootstrap {
                let snapshot = Snapshot {
                    id: first,
                    conf_state: ConfState::of_voters(1..=nodes),
                    data: self.state_at(first.index),
                };
                host.disk.compacted = first;
                host.disk.snapshot = Some(snapshot.clone());
                host.applied = first.index;
                host.confs = vec![(first.index, snapshot.conf_state)];
            }
            self.hosts.push(host);
            // A founder that can't start is found when the first action meets it.
            let _ = self.restart(id);
        }
    }

    fn blank_host(&self, id: NodeId) -> Host {
        Host::new(self.plan.config(id, 1), self.plan.has_durable_machine(id))
    }

    /// What a state machine serves that has applied everything up to `index`.
    pub fn state_at(&self, index: Index) -> Bytes {
        Bytes::copy_from_slice(&self.checks.logs.digest(index).to_le_bytes())
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The newest configuration that anybody has applied, and where.
    pub fn newest_conf(&self) -> (Index, ConfState) {
        let newest = self.checks.membership.newest();
        newest.map_or(
            (0, ConfState::of_voters(1..=self.plan.nodes)),
            |(at, conf)| (at, conf.clone()),
        )
    }

    pub fn host(&self, id: NodeId) -> Option<&Host> {
        self.hosts.get((id as usize).checked_sub(1)?)
    }

    pub fn host_mut(&mut self, id: NodeId) -> Option<&mut Host> {
        self.hosts.get_mut((id as usize).checked_sub(1)?)
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.host(id).is_some_and(Host::is_up)
    }

    /// Carries out an action, and checks what came of it. What can't be carried out changes nothing.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn perform(&mut self, action: &Action) -> Done {
        self.events += 1;
        let node = self.node_of(action);
        let done = self.carry_out(action)?;
        if done {
            self.sum = mix(self.sum, node);
            if let Some(kind) = kind_of(action) {
                self.tally.note(kind);
            }
            if let Some(trace) = &mut self.trace {
                trace.action(self.events, action, node);
            }
            self.touched = Some(node);
            self.observe(
                node,
                matches!(action, Action::Tick(_) | Action::Ticks { quiet: false, .. }),
            )?;
        } else {
            self.events -= 1;
        }
        Ok(done)
    }

    /// The node that an action is about; 0 if there is none.
    fn node_of(&self, action: &Action) -> NodeId {
        match action {
            Action::Deliver { message, .. } | Action::Lose { message } => self
                .flights
                .get(*message)
                .map_or(NONE, |flight| flight.message.to),
            _ => action.node(),
        }
    }

    fn carry_out(&mut self, action: &Action) -> Done {
        match action {
            Action::Tick(n) => {
                if let Some(host) = self.host_mut(*n) {
                    host.checked.lease.tick();
                }
                self.call(*n, Node::tick)
            }
            Action::Ticks { node, count, quiet } => {
                let Some(host) = self.host_mut(*node) else {
                    return Ok(false);
                };
                host.checked.lease.pass(*count);
                if *quiet {
                    // Nobody looks at the quorum meanwhile.
                    host.checked.lease.begin();
                }
                self.call(*node, |node| match quiet {
                    true => (0..*count).try_for_each(|_| node.tick_quiesced()),
                    false => node.tick_many(*count),
                })
            }
            Action::WantSnapshot(n) => self.want_snapshot(*n),
            Action::Set { node, setting } => self.set(*node, *setting),
            Action::Deliver { message, keep } => self.deliver(*message, *keep),
            Action::Lose { message } => self.lose(*message),
            Action::Cycle(n) => self.cycle(*n),
            Action::Step { node, count } => self.step(*node, *count as usize),
            Action::Persist(n) => self.persist(*n),
            Action::Sync(n) => self.sync(*n),
            Action::Apply(n) => self.apply_next(*n),
            Action::Answer {
                node,
                request,
                answer,
                again,
            } => self.answer(*node, *request, *answer, *again),
            Action::Crash {
                node,
                kept,
                torn,
                back,
            } => {
                let host = self.hosts.get_mut(*node as usize - 1);
                let Some(host) = host.filter(|host| host.is_up()) else {
                    return Ok(false);
                };
                let (kept, torn) = (*kept as usize, *torn as usize);
                host.crash(kept, torn, *back, &mut self.tally);
                Ok(true)
            }
            Action::Restart(n) => self.restart(*n),
            Action::Start(n) => self.start(*n),
            Action::Wipe(n) => Ok(self.wipe(*n)),
            Action::Destroy(n) => Ok(self.destroy(*n)),
            Action::Propose { node, size, count } => self.propose(*node, *size, *count),
            Action::Change {
                node,
                first_kind,
                change,
            } if !self.may_change(*node, change) => Ok(false),
            Action::Change {
                node,
                first_kind,
                change,
            } => {
                let is_pending = |host: &Host| {
                    let view = &host.checked.view;
                    host.leads() && view.change_above(host.applied).is_some()
                };
                let meanwhile = self.hosts.iter().any(is_pending);
                self.tally.note_if(meanwhile, Kind::ChangeMeanwhile);
                self.call(*node, |node| match (first_kind, &change.changes[..]) {
                    (true, [only]) => node.propose_conf_change(&ConfChange {
                        change: *only,
                        ..ConfChange::default()
                    }),
                    _ => node.propose_conf_change_v2(change),
                })
            }
            Action::Read(n) => {
                let Some(life) = self.host(*n).filter(|host| host.is_up()).map(|h| h.life) else {
                    return Ok(false);
                };
                let number = self.checks.clients.read(*n, life);
                let leads = self.host(*n).is_some_and(Host::leads);
                self.checks.clients.keep_name(number, leads);
                self.read_index(*n, number)
            }
            Action::ReadAgain(n) => {
                let Some(life) = self.host(*n).filter(|host| host.is_up()).map(|h| h.life) else {
                    return Ok(false);
                };
                for number in self.checks.clients.open_reads(*n, life) {
                    self.read_index(*n, number)?;
                }
                Ok(true)
            }
            Action::ReadByOldName(n) => {
                let Some(host) = self.host(*n).filter(|host| host.leads()) else {
                    return Ok(false);
                };
                let life = host.life;
                match self.checks.clients.read_by_old_name(*n, life) {
                    Some(name) => self.read_index(*n, name),
                    None => Ok(false),
                }
            }
            Action::Transfer { node, to } => self.call(*node, |node| node.transfer_leader(*to)),
            Action::ForgetLeader(n) => {
                self.release(*n);
                self.call(*n, Node::forget_leader)
            }
            Action::Campaign(n) => {
                self.release(*n);
                self.call(*n, Node::campaign)
            }
            Action::Compact { node, keep } => self.compact(*node, *keep),
            Action::Unreachable { node, peer } => {
                self.call(*node, |node| node.report_unreachable(*peer))
            }
            Action::ReportSnapshot {
                node,
                peer,
                arrived,
            } => {
                let status = match arrived {
                    true => SnapshotStatus::Finish,
                    false => SnapshotStatus::Failure,
                };
                self.call(*node, |node| node.report_snapshot(*peer, status))
            }
        }
    }

    /// A call on a node, which it may turn down but not fail.
    pub fn call(
        &mut self,
        id: NodeId,
        call: impl FnOnce(&mut Node) -> libraft_core::Result<()>,
    ) -> Done {
        let Some(node) = self.host_mut(id).and_then(|host| host.node.as_mut()) else {
            return Ok(false);
        };
        accepted(id, call(node))
    }

    fn restart(&mut self, id: NodeId) -> Done {
        let founders = &self.founders;
        let bootstrap = self.plan.bootstrap && id <= self.plan.nodes;
        let Some(host) = self
            .hosts
            .get_mut(id as usize - 1)
            .filter(|h| !h.is_up() && !h.gone)
        else {
            return Ok(false);
        };
        let synced = host.disk.hard_state;
        let before = host.config.clone();
        host.restart(&self.plan)
            .map_err(|error| refused(id, &error))?;
        let resettled = host.life > 1 && before != host.config;
        self.tally.note_if(resettled, Kind::Resettled);
        status::restarted(&host.checked.status, synced)?;
        if bootstrap && host.disk.last().index == 0 {
            // The first members' entries had not been written.
            let node = host.node.as_mut().map(|node| node.bootstrap(founders));
            host.checked.hard_state = HardState::default();
            return node.map_or(Ok(false), |result| accepted(id, result));
        }
        Ok(true)
    }

    fn start(&mut self, id: NodeId) -> Done {
        if id as usize != self.hosts.len() + 1 || self.hosts.len() >= MAX_HOSTS {
            return Ok(false);
        }
        self.hosts.push(self.blank_host(id));
        self.restart(id)
    }

    /// Checks what an action has made of a node.
    fn observe(&mut self, id: NodeId, ticked: bool) -> Checked {
        let delivered = self.delivered.take();
        let Some(host) = self.hosts.get_mut((id as usize).wrapping_sub(1)) else {
            return Ok(());
        };
        let Some(node) = &host.node else {
            return Ok(());
        };
        let (old, new) = (host.checked.status, node.basic_status());
        let (before, ticks) = (old.hard_state.term, host.config.election_ticks);
        let lease = &mut host.checked.lease;
        if let Some(message) = delivered {
            let has_ordered = |leader, term| self.transfers.contains(&(leader, term));
            lease.delivered(message, before, &new, ticks, has_ordered);
        }
        let leads = new.soft_state.role == Role::Leader;
        let still = old.soft_state.role == Role::Leader && before == new.hard_state.term;
        if leads && (!still || new.lead_transferee != old.lead_transferee) {
            // A transfer postpones the look at the quorum.
            lease.begin();
        }
        if ticked && leads && host.config.check_quorum {
            lease.leads_on(
                id,
                host.confs.last().map_or(&ConfState::default(), |c| &c.1),
                ticks,
            )?;
        }
        self.tally
            .note_if(ticked && still && !leads, Kind::QuorumMissed);
        if cfg!(not(debug_assertions)) {
            // With them, the core does it by itself, after each call.
            node.check_invariants()
                .or_else(|what| ensure(false, "the core's invariants", id, || what.to_owned()))?;
        }
        if old == new {
            return Ok(());
        }
        status::moved(&old, &new)?;
        if new.persisted > old.persisted {
            status::persisted(&new, &host.disk, host.first_unsynced())?;
        }
        host.checked.status = new;
        let term = new.hard_state.term;
        let led = old.soft_state.role == Role::Leader && old.hard_state.term == term;
        if new.soft_state.role == Role::Leader && !led {
            let synced = host.disk.hard_state;
            let own = (synced.term, synced.vote) == (term, id);
            let rule = "nothing is sent before it is persisted";
            // With asynchronous writes, the others' votes may be enough.
            let may_be_ahead = Waits::of(&host.config) == Waits::None;
            ensure(own || may_be_ahead, rule, id, || {
                format!("leads term {term} by its own vote, with {synced:?} synced")
            })?;
            let unacknowledged = host.checked.unacknowledged.iter().min();
            let applied = unacknowledged.map_or(new.applied, |first| new.applied.min(first - 1));
            host.checked.applied_at_election = applied;
            if own {
                self.checks.elections.voted(id, term, id)?;
            }
            self.checks.elections.leads(id, term, host.conf())?;
        }
        self.sum = mix(self.sum, mix(term, new.hard_state.commit));
        if let Some(trace) = &mut self.trace {
            trace.moved(self.events, &old, &new);
        }
        Ok(())
    }
}

/// What is counted of an action by itself.
fn kind_of(action: &Action) -> Option<Kind> {
    Some(match action {
        Action::Tick(_) => Kind::Tick,
        Action::Ticks { quiet: false, .. } => Kind::Burst,
        Action::Ticks { quiet: true, .. } => Kind::Quiet,
        Action::WantSnapshot(_) => return None,
        Action::Set { .. } => Kind::Set,
        Action::Deliver { keep: true, .. } => Kind::Duplicated,
        Action::Deliver { .. } => Kind::Delivered,
        Action::Cycle(_) | Action::Step { .. } => Kind::ReadyStep,
        Action::Persist(_) | Action::Sync(_) | Action::Apply(_) => Kind::WorkerStep,
        Action::Answer { .. } => Kind::Answered,
        Action::Restart(_) => Kind::Restarted,
        Action::Start(_) => Kind::Started,
        Action::Wipe(_) => Kind::Wiped,
        Action::Destroy(_) => Kind::Destroyed,
        Action::Propose { .. } => Kind::Proposed,
        Action::Change { .. } => Kind::ChangeProposed,
        Action::Read(_) | Action::ReadAgain(_) => Kind::ReadAsked,
        Action::ReadByOldName(_) => Kind::ReadByOldName,
        Action::Transfer { .. } => Kind::Transfer,
        Action::ForgetLeader(_) => Kind::ForgetLeader,
        Action::Campaign(_) => Kind::NeedlessCampaign,
        Action::Compact { .. } => Kind::Compaction,
        Action::Unreachable { .. } => Kind::FalseReport,
        Action::Crash { .. } | Action::Lose { .. } | Action::ReportSnapshot { .. } => return None,
    })
}

fn refused(id: NodeId, error: &Error) -> Violation {
    Violation {
        rule: "a correct call is taken",
        node: id,
        detail: error.to_string(),
    }
}

/// A node may turn down what it has no use for; nothing else may go wrong here.
pub fn accepted(id: NodeId, result: libraft_core::Result<()>) -> Done {
    match result {
        Ok(())
        | Err(
            Error::ProposalDropped(_)
            | Error::ReadDropped(_)
            | Error::UnknownPeer(_)
            | Error::WrongAnswer(_),
        ) => Ok(true),
        Err(error) => Err(refused(id, &error)),
    }
}
