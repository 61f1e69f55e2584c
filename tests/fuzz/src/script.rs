//! A small cluster that is told what happens to it, command by command, as in the scripts of
//! `tests/conformance`. What a command means is up to the simulation (`tests/simulation`), whose
//! checks are made after each step; in the end, if the input says so, the cluster is healed and must
//! recover.
//!
//! An input that fails is also a script of the simulation: with `LIBRAFT_FUZZ_EXPORT=FILE` in the
//! environment it is written there, for `make sim SCRIPT=FILE`.

use std::fmt::Write;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use libraft_core::*;
use libraft_simulation::action::{Action, Answer};
use libraft_simulation::check::Violation;
use libraft_simulation::driver::Driver;
use libraft_simulation::flights::Naming;
use libraft_simulation::plan::Plan;
use libraft_simulation::world::World;

/// No more is done than this, before the healing.
const MOST_EVENTS: u64 = 4000;

/// What an input says.
#[derive(Debug, Arbitrary)]
pub struct Script {
    /// Draws the cluster: its size and the settings of its nodes.
    seed: u16,
    heal: bool,
    commands: Vec<Command>,
}

/// One line. Nodes are numbers that are brought into range, and so are places in lists.
#[derive(Debug, Arbitrary)]
enum Command {
    Tick {
        node: u8,
        times: u8,
    },
    TickAll {
        times: u8,
    },
    Handle {
        node: u8,
    },
    HandlePart {
        node: u8,
        count: u8,
    },
    Persist {
        node: u8,
    },
    Sync {
        node: u8,
    },
    Apply {
        node: u8,
    },
    Deliver {
        place: u8,
        keep: bool,
    },
    DeliverTo {
        node: u8,
    },
    Drop {
        place: u8,
    },
    DropTo {
        node: u8,
    },
    Answer {
        node: u8,
        place: u8,
        how: u8,
        again: bool,
    },
    Crash {
        node: u8,
        kept: u8,
        torn: u8,
        back: u8,
    },
    Restart {
        node: u8,
    },
    Start,
    Wipe {
        node: u8,
    },
    Propose {
        node: u8,
        size: u8,
        count: u8,
    },
    Change {
        node: u8,
        kind: u8,
        steps: Vec<(u8, u8)>,
    },
    Read {
        node: u8,
    },
    ReadAgain {
        node: u8,
    },
    Transfer {
        node: u8,
        to: u8,
    },
    ForgetLeader {
        node: u8,
    },
    Campaign {
        node: u8,
    },
    Compact {
        node: u8,
        keep: u8,
    },
    Unreachable {
        node: u8,
        peer: u8,
    },
    ReportSnapshot {
        node: u8,
        peer: u8,
        arrived: bool,
    },
    /// Everybody works and hears everything, those excepted whose bit is set.
    Stabilize {
        except: u8,
    },
    /// The node campaigns, and everything else follows.
    Elect {
        node: u8,
        except: u8,
    },
}

/// One input.
///
/// # Panics
/// With the rule that is broken.
pub fn run(data: &[u8]) {
    let Ok(script) = Script::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    let plan = Plan::draw(script.seed.into());
    let mut player = Player {
        world: World::new(&plan, Naming::Names, true),
        done: Vec::new(),
    };
    let result = player.play(&script, &plan);
    if let Ok(path) = std::env::var("LIBRAFT_FUZZ_EXPORT") {
        std::fs::write(path, player.exported(&plan)).expect("the script can be written");
    }
    if let Err(violation) = result {
        panic!("{violation}\n{}", player.exported(&plan));
    }
}

struct Player {
    world: World,
    /// What could be done.
    done: Vec<Action>,
}

type Done = std::result::Result<(), Violation>;

impl Player {
    fn play(&mut self, script: &Script, plan: &Plan) -> Done {
        for command in &script.commands {
            if self.world.events > MOST_EVENTS {
                break;
            }
            self.command(command)?;
        }
        match script.heal {
            true => Driver::take_over(plan, &mut self.world).heal(&mut self.world),
            false => Ok(()),
        }
    }

    fn exported(&self, plan: &Plan) -> String {
        let mut text = format!("seed {}\n", plan.seed);
        for action in &self.done {
            let _ = writeln!(text, "{action}");
        }
        text
    }

    fn act(&mut self, action: Action) -> Done {
        self.done.push(action.clone());
        let done = self.world.perform(&action);
        self.world.flights.fresh.clear();
        self.world.asked.clear();
        if matches!(done, Ok(false)) {
            self.done.pop();
        }
        done.map(drop)
    }

    fn node(&self, number: u8) -> NodeId {
        u64::from(number) % self.world.hosts.len() as u64 + 1
    }

    /// A member, or whoever comes next.
    fn peer(&self, number: u8) -> NodeId {
        u64::from(number) % (self.world.hosts.len() as u64 + 2)
    }

    /// The name of a message on its way.
    fn message(&self, place: u8) -> Option<u64> {
        let count = self.world.flights.on_their_way().count();
        let place = usize::from(place) % count.max(1);
        let mut flights = self.world.flights.on_their_way();
        flights.nth(place).map(|flight| flight.name)
    }

    fn messages_to(&self, node: NodeId) -> Vec<u64> {
        let flights = self.world.flights.on_their_way();
        let to = flights.filter(|flight| flight.message.to == node);
        to.map(|flight| flight.name).collect()
    }

    fn deliver(&mut self, message: u64, keep: bool) -> Done {
        let report = self.report_of(message, true);
        self.act(Action::Deliver { message, keep })?;
        report.map_or(Ok(()), |report| self.act(report))
    }

    fn lose(&mut self, message: u64) -> Done {
        let report = self.report_of(message, false);
        self.act(Action::Lose { message })?;
        report.map_or(Ok(()), |report| self.act(report))
    }

    /// Whoever sends a snapshot finds out what has become of it.
    fn report_of(&self, message: u64, arrives: bool) -> Option<Action> {
        let message = &self.world.flights.get(message)?.message;
        let snapshot = matches!(message.body, Body::InstallSnapshot { .. });
        snapshot.then(|| Action::ReportSnapshot {
            node: message.from,
            peer: message.to,
            arrived: arrives && self.world.is_up(message.to),
        })
    }

    fn command(&mut self, command: &Command) -> Done {
        match *command {
            Command::Tick { node, times } => {
                let node = self.node(node);
                (0..=times % 32).try_for_each(|_| self.act(Action::Tick(node)))
            }
            Command::TickAll { times } => (0..=times % 32).try_for_each(|_| {
                (1..=self.world.hosts.len() as u64).try_for_each(|n| self.act(Action::Tick(n)))
            }),
            Command::Handle { node } => self.act(Action::Cycle(self.node(node))),
            Command::HandlePart { node, count } => self.act(Action::Step {
                node: self.node(node),
                count: if count > 128 { u32::MAX } else { count.into() },
            }),
            Command::Persist { node } => self.act(Action::Persist(self.node(node))),
            Command::Sync { node } => self.act(Action::Sync(self.node(node))),
            Command::Apply { node } => self.act(Action::Apply(self.node(node))),
            Command::Deliver { place, keep } => match self.message(place) {
                Some(message) => self.deliver(message, keep),
                None => Ok(()),
            },
            Command::DeliverTo { node } => {
                let messages = self.messages_to(self.node(node));
                messages
                    .into_iter()
                    .try_for_each(|name| self.deliver(name, false))
            }
            Command::Drop { place } => match self.message(place) {
                Some(message) => self.lose(message),
                None => Ok(()),
            },
            Command::DropTo { node } => {
                let messages = self.messages_to(self.node(node));
                messages.into_iter().try_for_each(|name| self.lose(name))
            }
            Command::Answer {
                node,
                place,
                how,
                again,
            } => {
                let node = self.node(node);
                let answer = [Answer::Fresh, Answer::Stale, Answer::Failed][usize::from(how % 3)];
                self.answer(node, place, answer, again)
            }
            Command::Crash {
                node,
                kept,
                torn,
                back,
            } => self.crash(node, kept, torn, back),
            Command::Restart { node } => self.act(Action::Restart(self.node(node))),
            Command::Start => {
                let next = self.world.hosts.len() as u64 + 1;
                match next <= 9 {
                    true => self.act(Action::Start(next)),
                    false => Ok(()),
                }
            }
            Command::Wipe { node } => self.act(Action::Wipe(self.node(node))),
            Command::Propose { node, size, count } => self.act(Action::Propose {
                node: self.node(node),
                size: size.into(),
                count: u32::from(count % 5) + 1,
            }),
            Command::Change {
                node,
                kind,
                ref steps,
            } => self.change(node, kind, steps),
            Command::Read { node } => self.act(Action::Read(self.node(node))),
            Command::ReadAgain { node } => self.act(Action::ReadAgain(self.node(node))),
            Command::Transfer { node, to } => self.act(Action::Transfer {
                node: self.node(node),
                to: self.peer(to),
            }),
            Command::ForgetLeader { node } => self.act(Action::ForgetLeader(self.node(node))),
            Command::Campaign { node } => self.act(Action::Campaign(self.node(node))),
            Command::Compact { node, keep } => self.act(Action::Compact {
                node: self.node(node),
                keep: u64::from(keep % 16),
            }),
            Command::Unreachable { node, peer } => self.act(Action::Unreachable {
                node: self.node(node),
                peer: self.peer(peer),
            }),
            Command::ReportSnapshot {
                node,
                peer,
                arrived,
            } => self.act(Action::ReportSnapshot {
                node: self.node(node),
                peer: self.peer(peer),
                arrived,
            }),
            Command::Stabilize { except } => self.stabilize(except),
            Command::Elect { node, except } => {
                self.act(Action::Campaign(self.node(node)))?;
                self.stabilize(except)
            }
        }
    }

    fn answer(&mut self, node: NodeId, place: u8, answer: Answer, again: bool) -> Done {
        let requests = self.world.host(node).map_or(&[][..], |host| &host.requests);
        if requests.is_empty() {
            return Ok(());
        }
        let request = requests[usize::from(place) % requests.len()].id;
        self.act(Action::Answer {
            node,
            request,
            answer,
            again,
        })
    }

    fn crash(&mut self, node: u8, kept: u8, torn: u8, back: u8) -> Done {
        let node = self.node(node);
        let unsynced = self.world.host(node).map_or(0, |host| host.disk.unsynced());
        self.act(Action::Crash {
            node,
            kept: u32::from(kept) % (unsynced as u32 + 1),
            torn: u32::from(torn % 4),
            back: u64::from(back % 10),
        })
    }

    fn change(&mut self, node: u8, kind: u8, steps: &[(u8, u8)]) -> Done {
        let steps = steps.iter().take(4).map(|&(kind, peer)| ConfChangeSingle {
            kind: match kind % 4 {
                0 => ConfChangeKind::AddNode,
                1 => ConfChangeKind::AddLearnerNode,
                2 => ConfChangeKind::RemoveNode,
                _ => ConfChangeKind::UpdateNode,
            },
            // No change adds who does not exist: nothing is to be learnt from those.
            node_id: self.node(peer),
        });
        let changes: Vec<ConfChangeSingle> = steps.collect();
        let first_kind = kind & 4 != 0 && changes.len() == 1;
        let transition = match kind % 4 {
            _ if first_kind => ConfChangeTransition::Auto,
            0 | 1 => ConfChangeTransition::Auto,
            2 => ConfChangeTransition::JointImplicit,
            _ => ConfChangeTransition::JointExplicit,
        };
        let change = ConfChangeV2 {
            transition,
            changes,
            context: Bytes::new(),
        };
        self.act(Action::Change {
            node: self.node(node),
            first_kind,
            change,
        })
    }

    /// Until nothing more happens, though not for ever.
    fn stabilize(&mut self, except: u8) -> Done {
        let is_in = |node: &NodeId| except >> ((node - 1) % 8) & 1 == 0;
        for _ in 0..40 {
            let before = self.world.events;
            for node in (1..=self.world.hosts.len() as u64).filter(is_in) {
                let asynchronous = |world: &World| {
                    let host = world.host(node);
                    host.is_some_and(|host| host.config.async_storage_writes)
                };
                match asynchronous(&self.world) {
                    true => self.act(Action::Step {
                        node,
                        count: u32::MAX,
                    })?,
                    false => self.act(Action::Cycle(node))?,
                }
                self.act(Action::Persist(node))?;
                self.act(Action::Sync(node))?;
                self.act(Action::Apply(node))?;
                self.answer(node, 0, Answer::Fresh, false)?;
                for message in self.messages_to(node) {
                    let from = self.world.flights.get(message).map(|f| f.message.from);
                    if from.is_some_and(|from| from >= LOCAL_APPLY || is_in(&from)) {
                        self.deliver(message, false)?;
                    }
                }
            }
            if self.world.events == before || before > MOST_EVENTS {
                break;
            }
        }
        Ok(())
    }
}
