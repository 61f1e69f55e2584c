//! What clients see: linearizable writes and reads, and no acknowledged write that is lost.
//!
//! The log is the order in which all operations take effect. A write takes effect at the first
//! entry that has its number; a read at the entry that was last applied when it was served. So a
//! history is linearizable if every operation takes effect after all those that had been answered
//! before it was asked for. One number holds what has been answered: the highest index at which
//! any of it took effect. (The state that a machine serves is checked with the logs.)

use std::collections::{BTreeMap, BTreeSet};
use std::result::Result;

use libraft_core::*;

use super::{Checked, ensure};

#[derive(Clone, Copy, Debug)]
struct Operation {
    home: NodeId,
    /// The life of its node in which it was asked for; the client of an earlier one never hears.
    life: u32,
    /// What had been answered when it was asked for.
    floor: Index,
    answered: bool,
    /// Where a write took effect first.
    effect: Index,
    is_read: bool,
    /// Its name may be given to another read once this one has been served: it was asked of a leader,
    /// which no network repeats, and only once.
    keeps_name: bool,
    name: u64,
}

#[derive(Debug, Default)]
pub struct Clients {
    operations: Vec<Operation>,
    /// The highest index at which anything that was answered took effect.
    frontier: Index,
    /// Answers to reads that come from a lease which is not in force.
    excused: BTreeSet<(u64, Index)>,
    /// The reads that go under the name of an earlier one, by that name.
    renamed: BTreeMap<u64, u64>,
    /// The newest read that was served under a name that may be used again, by its node and life.
    free_names: BTreeMap<(NodeId, u32), u64>,
    pub writes_answered: u64,
    pub reads_answered: u64,
}

impl Clients {
    fn ask(&mut self, home: NodeId, life: u32, is_read: bool) -> u64 {
        self.operations.push(Operation {
            home,
            life,
            floor: self.frontier,
            answered: false,
            effect: 0,
            is_read,
            keeps_name: false,
            name: self.operations.len() as u64,
        });
        self.operations.len() as u64 - 1
    }

    /// This read's name may be used again, if `asked_of_leader`.
    pub fn keep_name(&mut self, number: u64, asked_of_leader: bool) {
        self.operations[number as usize].keeps_name = asked_of_leader;
    }

    /// A client asks a leader for a read under a name whose last read has been served. Returns the
    /// name, if there is one.
    pub fn read_by_old_name(&mut self, home: NodeId, life: u32) -> Option<u64> {
        let name = self.free_names.remove(&(home, life))?;
        let number = self.ask(home, life, true);
        let op = &mut self.operations[number as usize];
        (op.keeps_name, op.name) = (true, name);
        self.renamed.insert(name, number);
        Some(name)
    }

    /// The operation that has this name now.
    pub fn of_name(&self, name: u64) -> u64 {
        self.renamed.get(&name).copied().unwrap_or(name)
    }

    /// How many operations there have been; the number of the next one.
    pub fn count(&self) -> u64 {
        self.operations.len() as u64
    }

    /// A client asks for a write. Returns its number.
    pub fn write(&mut self, home: NodeId, life: u32) -> u64 {
        self.ask(home, life, false)
    }

    /// A client asks for a read. Returns its number.
    pub fn read(&mut self, home: NodeId, life: u32) -> u64 {
        self.ask(home, life, true)
    }

    /// The operation will not happen, and its client knows.
    pub fn refused(&mut self, node: NodeId, number: u64) -> Checked {
        let Some(op) = self.operations.get_mut(number as usize) else {
            return ensure(false, "ready contract", node, || {
                format!("drops operation {number}, which nobody has asked for")
            });
        };
        op.answered = true;
        let effect = op.effect;
        ensure(effect == 0, "ready contract", node, || {
            format!("drops write {number}, which took effect at {effect}")
        })
    }

    /// A node applies the write with this number at `index`.
    pub fn applied(&mut self, node: NodeId, life: u32, number: u64, index: Index) -> Checked {
        let Some(op) = self.operations.get_mut(number as usize) else {
            return ensure(false, "linearizability", node, || {
                format!("applies write {number} at {index}, which nobody has asked for")
            });
        };
        if op.effect == 0 {
            op.effect = index;
            ensure(!op.answered, "linearizability", node, || {
                format!("applies write {number}, which was refused")
            })?;
        }
        if op.answered || (op.home, op.life) != (node, life) {
            return Ok(());
        }
        op.answered = true;
        self.writes_answered += 1;
        let (effect, floor) = (op.effect, op.floor);
        ensure(effect > floor, "linearizability", node, || {
            format!("write {number} took effect at {effect}, and {floor} had been seen before")
        })?;
        self.frontier = self.frontier.max(effect);
        Ok(())
    }

    /// This read is answered with `index` by a leader that nobody is bound to.
    pub fn excuse(&mut self, number: u64, index: Index) {
        self.excused.insert((number, index));
    }

    /// A node learns that the read with this number may be served at `index`. Returns whether its
    /// client still waits.
    pub fn may_read(
        &mut self,
        node: NodeId,
        life: u32,
        number: u64,
        index: Index,
    ) -> Result<bool, super::Violation> {
        let op = self.operations.get(number as usize).filter(|op| op.is_read);
        let Some(op) = op else {
            ensure(false, "ready contract", node, || {
                format!("no such read: {number}")
            })?;
            return Ok(false);
        };
        if op.answered || (op.home, op.life) != (node, life) {
            return Ok(false);
        }
        let floor = op.floor;
        if index < floor && self.excused.contains(&(number, index)) {
            // It could be wrong, and is: the client has lost nothing by not looking.
            return Ok(false);
        }
        ensure(index >= floor, "linearizability", node, || {
            format!("read {number} may be served at {index}, and {floor} had been seen before")
        })?;
        Ok(true)
    }

    /// A node serves the read with this number from what it has applied.
    pub fn served(&mut self, node: NodeId, number: u64, applied: Index) -> Checked {
        let op = &mut self.operations[number as usize];
        if std::mem::replace(&mut op.answered, true) {
            return Ok(());
        }
        let floor = op.floor;
        if op.keeps_name {
            self.free_names.insert((op.home, op.life), op.name);
        }
        self.reads_answered += 1;
        ensure(applied >= floor, "linearizability", node, || {
            format!("read {number} was served at {applied}, and {floor} had been seen before")
        })?;
        self.frontier = self.frontier.max(applied);
        Ok(())
    }

    /// Reads of this node that have had no answer, the newest few. They are asked for again, so that
    /// there may be more than one answer under their names.
    pub fn open_reads(&mut self, node: NodeId, life: u32) -> Vec<u64> {
        let recent = self.operations.len().saturating_sub(64);
        let open = |number: &usize| {
            let op = &self.operations[*number];
            let named = op.name == *number as u64;
            op.is_read && !op.answered && named && (op.home, op.life) == (node, life)
        };
        let open: Vec<usize> = (recent..self.operations.len()).filter(open).collect();
        for &number in &open {
            self.operations[number].keeps_name = false;
        }
        open.into_iter().map(|number| number as u64).collect()
    }

    /// Whether this one has been answered. One that nobody was there to take never is.
    pub fn is_answered(&self, number: u64) -> bool {
        let operation = self.operations.get(number as usize);
        operation.is_some_and(|operation| operation.answered)
    }

    /// At the end, when everybody has applied everything up to `last`: what was acknowledged is
    /// among it.
    pub fn nothing_lost(&self, last: Index) -> Checked {
        ensure(
            self.frontier <= last,
            "no acknowledged write is lost",
            NONE,
            || format!("{} was seen, and all end at {last}", self.frontier),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_misses_an_acknowledged_write_is_found() {
        let mut clients = Clients::default();
        let write = clients.write(1, 0);
        let early = clients.read(2, 0);
        clients.applied(1, 0, write, 7).unwrap();
        // It was asked for before the write was answered.
        assert_eq!(clients.may_read(2, 0, early, 6), Ok(true));
        let late = clients.read(2, 0);
        assert!(clients.may_read(2, 0, late, 6).is_err());
        assert!(clients.served(2, late, 6).is_err());
    }

    #[test]
    fn only_the_very_answer_of_a_lapsed_lease_is_excused() {
        let mut clients = Clients::default();
        let write = clients.write(1, 0);
        clients.applied(1, 0, write, 7).unwrap();
        let read = clients.read(2, 0);
        clients.excuse(read, 6);
        assert_eq!(clients.may_read(2, 0, read, 6), Ok(false));
        assert!(clients.may_read(2, 0, read, 5).is_err());
        assert_eq!(clients.may_read(2, 0, read, 7), Ok(true));
    }

    #[test]
    fn a_read_that_misses_what_another_has_seen_is_found() {
        let mut clients = Clients::default();
        let first = clients.read(1, 0);
        clients.served(1, first, 9).unwrap();
        let second = clients.read(2, 0);
        assert!(clients.served(2, second, 8).is_err());
    }

    #[test]
    fn a_write_that_takes_effect_in_the_past_is_found() {
        let mut clients = Clients::default();
        let first = clients.write(1, 0);
        clients.applied(1, 0, first, 7).unwrap();
        let second = clients.write(1, 0);
        assert!(clients.applied(1, 0, second, 7).is_err());
    }

    #[test]
    fn writes_that_nobody_asked_for_or_that_were_refused_are_found() {
        let mut clients = Clients::default();
        assert!(clients.applied(1, 0, 3, 7).is_err());
        let refused = clients.write(1, 0);
        clients.refused(1, refused).unwrap();
        assert!(clients.applied(2, 0, refused, 7).is_err());
        let write = clients.write(1, 0);
        clients.applied(2, 0, write, 8).unwrap();
        assert!(clients.refused(1, write).is_err());
        assert!(clients.refused(1, 99).is_err());
    }

    #[test]
    fn a_second_copy_of_a_write_changes_nothing() {
        let mut clients = Clients::default();
        let write = clients.write(1, 0);
        clients.applied(2, 0, write, 7).unwrap();
        clients.applied(1, 0, write, 7).unwrap();
        clients.applied(1, 0, write, 9).unwrap();
        assert_eq!(clients.writes_answered, 1);
        clients.nothing_lost(7).unwrap();
        assert!(clients.nothing_lost(6).is_err());
    }
}
