//! A layer over a medium that counts all that is asked of it, and lets it go wrong at one of
//! these operations: once, from then on, or as if the machine stopped there.
//!
//! It knows nothing of what is in the files.

use std::{
    io,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

use crate::durable::{
    medium::{Medium, MediumFile},
    tests::sim::Sim,
};

/// One thing that can be asked of a medium or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Open,
    Create,
    Rename,
    Remove,
    SyncNames,
    Len,
    Read,
    Write,
    SetLen,
    Sync,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails, and has had no effect.
    Error,
    /// Everything fails from then on.
    Dead,
    /// A write is done in part and fails for want of space; a larger file and a new one are not to
    /// be had. The next time there is room.
    FullOnce,
    /// The same, until there is room again.
    Full,
    /// Everything that would change something fails from then on.
    ReadOnly,
    /// A sync fails, and what it should have brought to the disk never gets there, although it can
    /// be read and the next sync succeeds.
    LostSync,
    /// The machine or the process stops before the operation.
    Crash,
    /// The same, in the middle of a write.
    TornCrash,
}

impl Fault {
    pub const ALL: [Fault; 8] = [
        Fault::Error,
        Fault::Dead,
        Fault::FullOnce,
        Fault::Full,
        Fault::ReadOnly,
        Fault::LostSync,
        Fault::Crash,
        Fault::TornCrash,
    ];

    /// Whether it can begin with that operation.
    pub fn begins_with(self, op: Op) -> bool {
        match self {
            Fault::Error | Fault::Dead | Fault::Crash => true,
            Fault::FullOnce | Fault::Full => op.takes_space(),
            Fault::ReadOnly => op.changes(),
            Fault::LostSync => op == Op::Sync,
            Fault::TornCrash => op == Op::Write,
        }
    }

    pub fn is_crash(self) -> bool {
        matches!(self, Fault::Crash | Fault::TornCrash)
    }
}

impl Op {
    fn takes_space(self) -> bool {
        matches!(self, Op::Create | Op::Write | Op::SetLen)
    }

    fn changes(self) -> bool {
        !matches!(self, Op::Open | Op::Len | Op::Read)
    }
}

/// When what goes wrong; shared with whoever watches.
#[derive(Clone, Debug, Default)]
pub struct Plan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    done: Vec<Op>,
    fault: Option<(usize, Fault)>,
    /// What fails each time.
    failing: Option<Op>,
    hit: bool,
}

/// What becomes of an operation.
enum Verdict {
    Go,
    Fail(io::Error),
    FailHalfWay(io::Error),
    LoseSync(u64),
}

impl Plan {
    /// Nothing goes wrong for so many operations, and then this.
    pub fn after(operations: usize, fault: Fault) -> Plan {
        let plan = Plan::default();
        plan.0.lock().unwrap().fault = Some((operations, fault));
        plan
    }

    /// The operations until now.
    pub fn done(&self) -> Vec<Op> {
        self.0.lock().unwrap().done.clone()
    }

    /// Whether anything has gone wrong.
    pub fn hit(&self) -> bool {
        self.0.lock().unwrap().hit
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        (state.fault, state.failing) = (None, None);
    }

    /// Each operation of that kind fails.
    pub fn fail_all(&self, op: Op) {
        self.0.lock().unwrap().failing = Some(op);
    }

    fn next(&self, op: Op) -> Verdict {
        let mut state = self.0.lock().unwrap();
        let at = state.done.len();
        state.done.push(op);
        if state.failing == Some(op) {
            state.hit = true;
            return Verdict::Fail(io::Error::other("the disk fails"));
        }
        let Some((begin, fault)) = state.fault else {
            return Verdict::Go;
        };
        let (now, later) = (at == begin, at > begin);
        let fails = match fault {
            Fault::Error | Fault::FullOnce | Fault::LostSync => now,
            Fault::Dead | Fault::Crash | Fault::TornCrash => now || later,
            Fault::Full => now || (later && op.takes_space()),
            Fault::ReadOnly => now || (later && op.changes()),
        };
        if !fails {
            return Verdict::Go;
        }
        state.hit = true;
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        match (fault, op) {
            (Fault::FullOnce | Fault::Full, Op::Write) => Verdict::FailHalfWay(full()),
            (Fault::FullOnce | Fault::Full, _) => Verdict::Fail(full()),
            (Fault::ReadOnly, _) => Verdict::Fail(io::ErrorKind::ReadOnlyFilesystem.into()),
            (Fault::LostSync, _) => Verdict::LoseSync(begin as u64),
            (Fault::TornCrash, Op::Write) if now => {
                Verdict::FailHalfWay(io::Error::other("stopped"))
            }
            (Fault::Crash | Fault::TornCrash, _) => Verdict::Fail(io::Error::other("stopped")),
            _ => Verdict::Fail(io::Error::other("the disk fails")),
        }
    }
}

/// The layer.
#[derive(Debug)]
pub struct Faulty {
    sim: Sim,
    plan: Plan,
}

impl Faulty {
    pub fn new(sim: &Sim, plan: &Plan) -> Faulty {
        Faulty {
            sim: sim.clone(),
            plan: plan.clone(),
        }
    }

    fn whole(&self, op: Op) -> io::Result<()> {
        match self.plan.next(op) {
            Verdict::Go => Ok(()),
            Verdict::Fail(error) | Verdict::FailHalfWay(error) => Err(error),
            Verdict::LoseSync(seed) => {
                self.sim.lose_sync(seed);
                Ok(())
            }
        }
    }

    fn file(&self, file: MediumFile) -> MediumFile {
        let layer = Faulty::new(&self.sim, &self.plan);
        MediumFile(Arc::new(FaultyFile { file, layer }))
    }
}

impl Medium for Faulty {
    fn open(&self, name: &str) -> io::Result<Option<MediumFile>> {
        self.whole(Op::Open)?;
        Ok(self.sim.open(name)?.map(|file| self.file(file)))
    }

    fn create(&self, name: &str) -> io::Result<MediumFile> {
        self.whole(Op::Create)?;
        Ok(self.file(self.sim.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole(Op::Rename)?;
        self.sim.rename(from, to)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.whole(Op::SyncNames)?;
        self.sim.sync_names()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.whole(Op::Remove)?;
        self.sim.remove(name)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: MediumFile,
    layer: Faulty,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.layer.whole(Op::Len)?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.layer.whole(Op::Read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.layer.whole(Op::SetLen)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.layer.whole(Op::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.layer.plan.next(Op::Write) {
            Verdict::FailHalfWay(error) => {
                self.file.write(offset, &data[..data.len() / 2])?;
                Err(error)
            }
            Verdict::Fail(error) => Err(error),
            Verdict::Go | Verdict::LoseSync(_) => self.file.write(offset, data),
        }
    }
}
