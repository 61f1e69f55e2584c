//! The program: reads the command line, and plays what that says.

use std::process::ExitCode;

use libraft_simulation::{arguments, mutants, run};

fn main() -> ExitCode {
    run::catch_panics();
    match arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => mutants::report(&arguments),
        Err(why) => {
            eprintln!("{why}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}
