//! The command line.

pub const USAGE: &str =
    "usage: simulate [--seeds COUNT] [--seed SEED] [--steps EVENTS] [--from SEED] [--twice N]
                [--trace FILE] [--record DIR] [--replay N] [--script FILE]
                [--last EVENTS] [--out DIR] [--jobs THREADS] [--shrink COUNT]
                [--mutant NUMBER] [--bases COUNT] [--most EVENTS] [--known FILE] [--bless FILE]

  --seeds    how many seeds to play (default 100)
  --from     the first of them (default 1)
  --seed     only this one
  --steps    events in each, before it is healed (default 20000)
  --twice    every Nth seed is played twice, to see that both runs are the same (default 8)
  --trace    with --seed: draw the run into this HTML file
  --record   with --seed or --script: write the recording of every life of every node there
  --replay   every Nth seed's nodes are recorded, and their recordings played (default: none)
  --script   play this script, as a failing seed leaves one
  --last     how many events the drawing shows, at most (default 1500)
  --jobs     how many threads play seeds (default: as many as there are cores)
  --shrink   how many of the seeds that fail are made short and drawn (default 3)
  --out      where failing seeds leave scripts and drawings (default build/sim)

Only if the core was built with --cfg libraft_mutants:
  --mutant   the bug with this number is in all nodes
  --bases    play from each of so many first seeds until a bug is found, one bug after the other
  --most     give one up after so many events (default 200000000)
  --known    play the seeds of this file, each of which is known to find a bug
  --bless    with --bases: write that file";

#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    pub seeds: u64,
    pub from: u64,
    pub only: bool,
    pub steps: u64,
    pub twice: u64,
    pub trace: Option<String>,
    pub record: Option<String>,
    pub replay: u64,
    pub script: Option<String>,
    pub last: u64,
    pub out: String,
    pub jobs: u64,
    pub shrink: u64,
    pub mutant: Option<u64>,
    pub bases: Option<u64>,
    pub most: u64,
    pub known: Option<String>,
    pub bless: Option<String>,
}

impl Arguments {
    /// Whether so much is played that every kind of fault has to occur.
    pub fn is_whole(&self) -> bool {
        self.seeds >= 1000 && self.steps >= 10_000
    }
}

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them.
pub fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seeds: 100,
        from: 1,
        only: false,
        steps: 20_000,
        twice: 8,
        trace: None,
        record: None,
        replay: 0,
        script: None,
        last: 1500,
        out: "build/sim".to_owned(),
        jobs: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        shrink: 3,
        mutant: None,
        bases: None,
        most: 200_000_000,
        known: None,
        bless: None,
    };
    while let Some(name) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name}: no number: {value}"))
        };
        match name.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--from" => arguments.from = number()?,
            "--seed" => {
                (arguments.from, arguments.seeds, arguments.only) = (number()?, 1, true);
            }
            "--steps" => arguments.steps = number()?,
            "--twice" => arguments.twice = number()?.max(1),
            "--jobs" => arguments.jobs = number()?.clamp(1, 64),
            "--last" => arguments.last = number()?.max(1),
            "--trace" => arguments.trace = Some(value),
            "--record" => arguments.record = Some(value),
            "--replay" => arguments.replay = number()?,
            "--script" => arguments.script = Some(value),
            "--out" => arguments.out = value,
            "--shrink" => arguments.shrink = number()?,
            "--mutant" => arguments.mutant = Some(number()?),
            "--bases" => arguments.bases = Some(number()?),
            "--most" => arguments.most = number()?,
            "--known" => arguments.known = Some(value),
            "--bless" => arguments.bless = Some(value),
            _ => return Err(format!("not understood: {name}")),
        }
    }
    if arguments.trace.is_some() && !arguments.only && arguments.script.is_none() {
        return Err("--trace needs --seed or --script".to_owned());
    }
    if arguments.record.is_some() && !arguments.only && arguments.script.is_none() {
        return Err("--record needs --seed or --script".to_owned());
    }
    if arguments.seeds == 0 {
        return Err("--seeds must be at least 1".to_owned());
    }
    if arguments.from.checked_add(arguments.seeds).is_none() {
        return Err("there are no seeds beyond 18446744073709551614".to_owned());
    }
    if arguments.steps > u64::MAX / 16 {
        return Err("--steps is too large".to_owned());
    }
    if arguments.bases == Some(0) {
        return Err("--bases must be at least 1".to_owned());
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Arguments, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_and_nonsense_is_refused() {
        let arguments = of("--seed 7 --steps 5 --trace x.html").unwrap();
        assert_eq!(
            (arguments.from, arguments.seeds, arguments.steps),
            (7, 1, 5)
        );
        for bad in [
            "--seed",
            "--seed x",
            "--seeds 0",
            "--seed 18446744073709551615",
            "--seeds 18446744073709551615",
            "--steps 18446744073709551615",
            "--bases 0",
            "--trace x.html",
            "--record x",
            "seed 7",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
