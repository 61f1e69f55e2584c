//! Plays one script about quorums or configuration changes on libraft's own arithmetic, and prints
//! it with what that comes to in place of what the script expects. Whoever calls this compares the
//! two.

mod confchange;
mod quorum;
mod script;

use std::process::ExitCode;
use std::{env, fs};

use confchange::Configuration;
use script::{Block, Failure};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path] = &arguments[..] else {
        eprintln!("usage: configurations SCRIPT");
        return ExitCode::from(2);
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::from(2);
        }
    };
    let mut configuration = Configuration::default();
    match script::replay(&text, |block| play(&mut configuration, block)) {
        Ok(played) => {
            print!("{played}");
            ExitCode::SUCCESS
        }
        Err(Failure { line, why }) => {
            eprintln!("{path}:{line}: {why}");
            ExitCode::from(2)
        }
    }
}

/// Which command says what it is about; no script mixes the two, but nothing would keep it from it.
fn play(configuration: &mut Configuration, block: &Block) -> Result<String, Failure> {
    match block.command.as_str() {
        "committed" => quorum::committed(block),
        "vote" => quorum::vote(block),
        "simple" | "enter-joint" | "leave-joint" => configuration.play(block),
        other => Err(Failure {
            line: block.line,
            why: format!("there is no command '{other}'"),
        }),
    }
}
