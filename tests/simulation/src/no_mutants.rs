//! In place of `mutants`: this core has none.

use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::report;

/// Puts the bug that is wished for into all nodes of this thread.
pub fn put_to_work(_arguments: &Arguments) {}

/// Plays what the arguments say.
pub fn report(arguments: &Arguments) -> ExitCode {
    let Arguments {
        mutant,
        bases,
        known,
        ..
    } = arguments;
    if mutant.is_some() || bases.is_some() || known.is_some() {
        eprintln!("this simulation was built without mutants: see `make mutants`");
        return ExitCode::from(2);
    }
    report::report(arguments)
}
