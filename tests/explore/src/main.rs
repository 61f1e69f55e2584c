//! Visits every state that a small cluster of libraft-core can reach within bounds, and checks each.
//!
//! Reading order: a [`setting`] says what can happen. A [`machine`] is the real node with its
//! [`disk`] and a host, at work in [`run`]; what it does with an input is computed once and kept in the [`catalogue`],
//! which tells states apart by what is [`canonical`]. A [`state`] of the cluster is then a few numbers,
//! and the [`search`] a walk through tables. What must hold is in [`check`]; the [`path`] to what
//! doesn't is the shortest there is.

mod arguments;
mod canonical;
mod catalogue;
mod check;
mod disk;
mod log;
mod machine;
mod panics;
mod path;
mod report;
mod run;
mod search;
mod setting;
mod state;
#[cfg(test)]
mod tests;
mod visited;

use std::process::ExitCode;

fn main() -> ExitCode {
    panics::catch();
    match arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => report::report(&arguments),
        Err(why) => {
            eprintln!("{why}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}
