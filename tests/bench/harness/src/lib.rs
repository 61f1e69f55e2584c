//! Workloads for Raft libraries, and what each of them costs.
//!
//! A library takes part by implementing [`Replica`]: one node, its storage in memory and its state
//! machine. Everything else, from the cluster that passes messages along to the checks at the end,
//! is the same code for all, compiled for each, so that a difference is the library's.
//!
//! A program for one library is `main() { bench_harness::main::<MyReplica>("name") }`. It runs one
//! workload in a fresh process and prints one line of JSON.

mod alloc;
mod cluster;
mod meter;
mod workloads;

pub use cluster::{Applied, Payload, Replica};
pub use meter::Meter;

use std::process::exit;
use std::time::Duration;

/// How a library is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With its default settings, each command proposed by a call of its own.
    Default,
    /// With the settings and the calls that suit the workload best.
    Best,
}

const USAGE: &str = "usage: PROGRAM WORKLOAD [--best] [--seconds S | --ops N] | --list";

/// Runs what the command line says.
pub fn main<R: Replica>(library: &str) {
    let mut mode = Mode::Default;
    let mut workload = None;
    let (mut ops, mut time) = (0, Duration::ZERO);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| fail(USAGE));
        match argument.as_str() {
            "--list" => {
                println!("{}", workloads::NAMES.join("\n"));
                return;
            }
            "--best" => mode = Mode::Best,
            "--ops" => ops = value().parse().unwrap_or_else(|_| fail(USAGE)),
            "--seconds" => {
                let seconds: f64 = value().parse().unwrap_or_else(|_| fail(USAGE));
                time = Duration::try_from_secs_f64(seconds).unwrap_or_else(|_| fail(USAGE));
            }
            name if !name.starts_with('-') && workload.is_none() => workload = Some(argument),
            _ => fail(USAGE),
        }
    }
    let workload = workload.unwrap_or_else(|| fail(USAGE));
    let mut meter = Meter::new();
    let Some(mut chunk) = workloads::find::<R>(&workload, mode) else {
        fail(&format!("no workload is called {workload}"));
    };
    // Once for the caches, the branch predictor and the buffers that grow to their size.
    meter.pause();
    chunk.run(&mut meter);
    meter.resume();
    loop {
        chunk.run(&mut meter);
        if meter.ops() >= ops && meter.time() >= time {
            break;
        }
    }
    chunk.check();
    println!(
        "{{\"library\": \"{library}\", \"workload\": \"{workload}\", \"mode\": \"{mode:?}\", {}, \
         \"node_bytes\": {}}}",
        meter.to_json(),
        chunk.node_bytes(),
    );
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(2)
}
