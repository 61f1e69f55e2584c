//! How often what happened: the events and faults of a run, by kind.
//!
//! A kind is counted where it comes about, not where it is drawn, so that a fault that is planned and
//! has no effect doesn't count. Nothing decides anything by these numbers, except that a long run in
//! which a kind never occurs fails: a fault that is never tried is not tested.

use std::collections::BTreeMap;
use std::fmt::Write;

macro_rules! kinds {
    ($($section:literal { $($kind:ident = $text:literal,)+ })+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[doc = $text] $kind,)+)+
        }

        /// Each kind, in its section, in words.
        const KINDS: &[(Kind, &str, &str)] = &[$($((Kind::$kind, $section, $text),)+)+];
    };
}

kinds! {
    "events" {
        Tick = "ticks",
        Delivered = "messages delivered",
        ReadyStep = "steps of a Ready's handling",
        WorkerStep = "steps of storage workers",
        Answered = "requests of the core answered",
        Proposed = "proposals",
        ReadAsked = "reads asked for",
        ReadByOldName = "reads under the name of an earlier one",
        Restarted = "restarts",
        Resettled = "restarts with other settings",
        QuorumMissed = "leaders that step down without a quorum",
    }
    "network" {
        Lost = "messages lost",
        Cut = "messages lost to a cut",
        Duplicated = "messages duplicated",
        Delayed = "messages delayed beyond the usual",
        HeldBack = "messages held back without a bound",
        Replayed = "duplicates held back without a bound",
        Overtaken = "messages overtaken by later ones of their link",
        OldTerm = "messages of an older term than their recipient's",
        Partition = "partitions",
        OneWay = "one-way cuts",
        FlappingPartition = "flapping partitions",
        FlappingLink = "flapping links",
        Bridge = "bridges",
        ThinLinks = "times when links carry no entries",
        TooLarge = "messages lost because they carry entries",
    }
    "process" {
        CrashIdle = "crashes between two Readys",
        CrashTaken = "crashes before a Ready is written",
        CrashWritten = "crashes after the write, before the sync",
        CrashSynced = "crashes after the sync, before anything is sent",
        CrashSending = "crashes between two sends of a Ready",
        CrashSent = "crashes after the sends, before anything is applied",
        CrashApplying = "crashes between two applied entries",
        CrashApplied = "crashes after everything, before the advance",
        CrashQueued = "crashes with work for the append worker",
        CrashUnsynced = "crashes between the append worker's write and sync",
        CrashUnapplied = "crashes with work for the apply worker",
        CrashUnheard = "crashes before the node hears of its workers",
        Storm = "restart storms",
        Pause = "pauses",
    }
    "disk" {
        TailLost = "crashes that lose unsynced writes",
        TailTorn = "crashes that tear a write",
        MachineBack = "crashes that set the state machine back",
        SlowSync = "syncs that take longer than a tick",
        OutOfStep = "acknowledgements of workers out of step",
        AnsweredLate = "requests answered after they were repeated or dropped",
        AnsweredTwice = "requests answered twice",
        AnsweredStale = "requests answered with what was there when asked",
        AnsweredNever = "requests that are not answered",
        ReadFailed = "reads of entries that fail",
        ReadCompacted = "reads of entries that are compacted",
        SnapshotFailed = "snapshots that fail",
    }
    "clock" {
        FastClock = "clocks that are fast",
        SlowClock = "clocks that are slow",
        Burst = "bursts of ticks",
        Quiet = "quiet times",
        StoppedClock = "clocks that stop",
    }
    "membership" {
        ChangeProposed = "changes proposed",
        ChangeMeanwhile = "changes proposed while another is under way",
        ChangeApplied = "changes applied",
        ChangeUnfit = "changes applied that don't fit",
        JointEntered = "joint configurations entered",
        JointLeft = "joint configurations left",
        Learner = "configurations with learners",
        VoterToLearner = "voters made learners",
        LearnerToVoter = "learners made voters",
        LeaderRemoved = "leaders that remove themselves",
        Started = "new machines",
        Destroyed = "members lost for good, and replaced under a new id",
        Wiped = "machines wiped",
    }
    "clients" {
        ProposedElsewhere = "proposals at nodes that don't lead",
        ProposalRefused = "proposals refused or dropped",
        Oversize = "entries larger than a message may be",
        ReadElsewhere = "reads at nodes that don't lead",
        LeaseRead = "reads by a lease in force",
        LeaseLapsed = "reads by a lease that is not in force",
        ReadDropped = "reads refused or dropped",
        Transfer = "transfers asked for",
        TimeoutNow = "transfers that reach their target",
        ForgetLeader = "leaders forgotten",
        NeedlessCampaign = "needless campaigns",
        Set = "settings changed while a node runs",
        GroupCommit = "commits by groups",
        SnapshotWanted = "snapshots that a follower asks for",
        FalseReport = "false reports about peers",
        Compaction = "compactions",
        CompactionDuringSend = "compactions of what is being sent",
        SnapshotSent = "snapshots on their way",
    }
    "outcome" {
        WriteDone = "writes acknowledged",
        ReadDone = "reads served",
        Committed = "entries committed",
        Terms = "terms",
    }
}

/// How often each kind has occurred.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: [u64; KINDS.len()],
    /// Clusters that nothing could have healed, by the reason. There need be none.
    beyond_help: BTreeMap<&'static str, u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            counts: [0; KINDS.len()],
            beyond_help: BTreeMap::new(),
        }
    }
}

impl Tally {
    pub fn note(&mut self, kind: Kind) {
        self.counts[kind as usize] += 1;
    }

    pub fn note_if(&mut self, occurs: bool, kind: Kind) {
        self.counts[kind as usize] += u64::from(occurs);
    }

    pub fn set(&mut self, kind: Kind, count: u64) {
        self.counts[kind as usize] = count;
    }

    /// Nothing can heal this cluster.
    pub fn note_beyond_help(&mut self, why: &'static str) {
        *self.beyond_help.entry(why).or_default() += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        for (why, count) in &other.beyond_help {
            *self.beyond_help.entry(why).or_default() += count;
        }
    }

    /// What has never occurred.
    pub fn missing(&self) -> Vec<&'static str> {
        let missing = KINDS
            .iter()
            .filter(|kind| self.counts[kind.0 as usize] == 0);
        missing.map(|(_, _, text)| *text).collect()
    }

    /// All counts, a line each, by section.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut last = "";
        for (kind, section, text) in KINDS {
            if *section != last {
                // Writing into a string never fails.
                let _ = writeln!(table, "{section}");
                last = section;
            }
            let _ = writeln!(table, "{:>14} {text}", self.counts[*kind as usize]);
        }
        for (why, count) in &self.beyond_help {
            let _ = writeln!(table, "{count:>14} clusters beyond help: {why}");
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_occurred_is_named() {
        let mut tally = Tally::default();
        assert_eq!(tally.missing().len(), KINDS.len());
        for (place, (kind, _, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, place);
            tally.note(*kind);
        }
        assert!(tally.missing().is_empty());
        tally.set(Kind::Storm, 0);
        assert_eq!(tally.missing(), ["restart storms"]);
        let mut sum = Tally::default();
        sum.add(&tally);
        sum.add(&tally);
        assert!(sum.table().contains("2 pauses"));
    }
}
