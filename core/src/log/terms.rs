//! The term of every entry, as runs: leaders change rarely, so that a long log has few. No term
//! look-up ever needs an entry.

use crate::types::{Entry, EntryId, Index, Term, TermRun};

/// The terms of entries `[compacted, last]`.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Terms {
    last_index: Index,
    /// The entry before the log's first. Its term is known, because the first append after it
    /// needs that.
    compacted: EntryId,
    /// The runs within `(compacted, last]`, ascending in index and term.
    runs: Vec<TermRun>,
}

/// Why a term is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The index is below the log.
    Compacted,
    /// It is above.
    Beyond,
}

impl Terms {
    /// An empty log after `compacted`.
    pub fn after(compacted: EntryId) -> Terms {
        Terms {
            compacted,
            last_index: compacted.index,
            runs: Vec::new(),
        }
    }

    /// Takes over stored runs, if they make sense: they begin right after `compacted` and end at
    /// `last_index`, and both numbers only grow.
    pub fn restore(
        compacted: EntryId,
        last_index: Index,
        runs: &[TermRun],
    ) -> Result<Terms, &'static str> {
        if last_index < compacted.index {
            return Err("the last index is below the compacted one");
        }
        if runs.is_empty() != (last_index == compacted.index) {
            return Err("the term runs don't cover the log");
        }
        let mut before = TermRun {
            first_index: compacted.index,
            term: compacted.term,
        };
        for (number, &run) in runs.iter().enumerate() {
            let grows = match number {
                0 => run.first_index == compacted.index + 1 && run.term >= before.term,
                _ => run.first_index > before.first_index && run.term > before.term,
            };
            if !grows || run.first_index > last_index {
                return Err("the term runs are not in order");
            }
            before = run;
        }
        Ok(Terms {
            compacted,
            last_index,
            runs: runs.to_vec(),
        })
    }

    /// The entry before the first one.
    pub fn compacted(&self) -> EntryId {
        self.compacted
    }

    /// The last index.
    pub fn last_index(&self) -> Index {
        self.last_index
    }

    /// The last entry.
    pub fn last(&self) -> EntryId {
        EntryId {
            index: self.last_index,
            term: self.runs.last().map_or(self.compacted.term, |run| run.term),
        }
    }

    /// The term of the entry at `index`; that of `compacted` is known too.
    pub fn term(&self, index: Index) -> Result<Term, Unknown> {
        if index < self.compacted.index {
            Err(Unknown::Compacted)
        } else if index > self.last_index && !mutant!(TermsBeyondTheEnd) {
            Err(Unknown::Beyond)
        } else {
            Ok(self.run_of(index).term)
        }
    }

    /// The run that holds `index`, which is within `[compacted, last]`.
    fn run_of(&self, index: Index) -> TermRun {
        // Nearly every look-up is near the end of the log.
        if let Some(&run) = self.runs.last().filter(|run| run.first_index <= index) {
            return run;
        }
        match self.runs.partition_point(|run| run.first_index <= index) {
            0 => TermRun {
                first_index: self.compacted.index,
                term: self.compacted.term,
            },
            after => self.runs[after - 1],
        }
    }

    /// The largest index at or below `index` whose term is at most `term`, and its term. Where
    /// the terms are not known, `index` itself or the entry below the log comes back with term 0:
    /// a guess that the next probe settles.
    pub fn find_conflict_by_term(&self, index: Index, term: Term) -> EntryId {
        if index > self.last_index {
            return EntryId { index, term: 0 };
        }
        let mut index = index;
        while index > self.compacted.index {
            let run = self.run_of(index);
            if run.term <= term {
                return EntryId {
                    index,
                    term: run.term,
                };
            }
            index = run.first_index - 1;
        }
        if index == 0 {
            EntryId::default()
        } else if index == self.compacted.index && self.compacted.term <= term {
            self.compacted
        } else {
            EntryId {
                index: index.min(self.compacted.index - 1),
                term: 0,
            }
        }
    }

    /// Notes the next entries.
    #[inline(always)]
    pub fn extend(&mut self, entries: &[Entry]) {
        let Some(last) = entries.last() else {
            return;
        };
        // Terms never decrease: if the last entry is of the last run, then so are all of them.
        if self.runs.last().is_none_or(|run| run.term != last.term) {
            self.extend_runs(entries);
        }
        self.last_index = last.index;
    }

    #[inline(never)]
    fn extend_runs(&mut self, entries: &[Entry]) {
        // Most logs have one run.
        self.runs.reserve_exact(usize::from(self.runs.is_empty()));
        for entry in entries {
            let before = self.last().term;
            debug_assert!(entry.term >= before, "terms never decrease");
            if self.runs.is_empty() || entry.term != before {
                self.runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
    }

    /// Forgets the entries from `index` on.
    pub fn truncate_from(&mut self, index: Index) {
        debug_assert!(index > self.compacted.index, "what is compacted stays");
        self.runs
            .truncate(self.runs.partition_point(|run| run.first_index < index));
        self.last_index = self.last_index.min(index - 1);
    }

    /// Forgets the entries below `first_index`, which is within `(compacted, last + 1]`.
    pub fn compact(&mut self, first_index: Index) {
        let Ok(term) = self.term(first_index - 1) else {
            debug_assert!(false, "compaction stays within the log");
            return;
        };
        self.compacted = EntryId {
            index: first_index - 1,
            term,
        };
        let gone = self
            .runs
            .partition_point(|run| run.first_index <= first_index);
        if gone == 0 {
            return;
        }
        // The run that holds the first index begins there now.
        self.runs.drain(..gone - 1);
        self.runs[0].first_index = first_index;
        if first_index > self.last_index {
            self.runs.clear();
        }
    }

    /// The runs.
    #[cfg(test)]
    pub fn runs(&self) -> &[TermRun] {
        &self.runs
    }
}
