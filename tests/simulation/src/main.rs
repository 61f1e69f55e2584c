//! Whole clusters of libraft-core in one thread, each from one seed, under every fault, with every
//! check after every event.
//!
//! Reading order: a [`plan`] is what a seed switches on. The [`driver`] plays by it, with the
//! [`trouble`] that it makes, and does to the [`world`] one [`action`] after the other. The world
//! has [`host`]s, whose [`handling`] of a Ready is theirs alone, their [`disk`]s, and the messages
//! between them, [`flights`]. After each action come the [`check`]s; at the end comes the
//! [`healing`]. What fails is made short by [`shrink`] and drawn by [`diagram`].

mod action;
mod arguments;
mod check;
mod diagram;
mod disk;
mod driver;
mod flights;
mod handling;
mod healing;
mod host;
#[cfg(test)]
mod known_tests;
mod mix;
mod plan;
mod report;
mod run;

mod shrink;
mod trace;
mod trouble;
mod wheel;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::catch_panics();
    match arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => report::report(&arguments),
        Err(why) => {
            eprintln!("{why}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}
