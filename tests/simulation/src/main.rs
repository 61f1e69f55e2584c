//! The program: reads the command line, and plays what that says.

use std::process::ExitCode;

use libraft_simulation::{arguments, report, run};

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
