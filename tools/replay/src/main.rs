//! Shows a recording of a node, call by call, while it makes the calls again; and says where that does
//! not do the same. It reads one file and writes to its standard output, and nothing else.
//!
//! Exit codes: 0 if everything was the same, 1 if not, 2 if the file is no whole recording, 3 if a call
//! panicked, as it may have done when it was recorded.

mod show;

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use bytes::Bytes;
use libraft_core::BasicStatus;
use libraft_core::recording::{Answer, Call, Limits, Played, Player, Reader, RecordingError};

use show::Show;

const USAGE: &str = "usage: libraft-replay [--from CALL] [--to CALL] [--data BYTES] [--quiet] FILE

  --from, --to   show only these calls, counted from 1 (all are made)
  --data         show so many bytes of each payload (default 32)
  --quiet        show only differences and the sums";

struct Arguments {
    path: String,
    from: u64,
    to: u64,
    data: usize,
}

fn main() -> ExitCode {
    let arguments = match read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let bytes = match std::fs::read(&arguments.path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => {
            eprintln!("{}: {error}", arguments.path);
            return ExitCode::from(2);
        }
    };
    // Each reader who has seen enough closes the pipe.
    let mut out = BufWriter::new(io::stdout().lock());
    let verdict = replay(&arguments, bytes, &mut out).and_then(|verdict| {
        out.flush()?;
        Ok(verdict)
    });
    match verdict {
        Ok(verdict) => ExitCode::from(verdict),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        path: String::new(),
        from: 1,
        to: u64::MAX,
        data: 32,
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().unwrap_or_default();
            let number = value.parse::<u64>();
            number.map_err(|_| format!("{word} needs a number, and not {value:?}"))
        };
        match word.as_str() {
            "--from" => arguments.from = number()?,
            "--to" => arguments.to = number()?,
            "--data" => arguments.data = number()? as usize,
            "--quiet" => arguments.to = 0,
            _ if word.starts_with("--") || !arguments.path.is_empty() => {
                return Err(format!("not understood: {word}"));
            }
            _ => arguments.path = word,
        }
    }
    match arguments.path.is_empty() {
        true => Err("no file is named".to_owned()),
        false => Ok(arguments),
    }
}

/// What was made of one call.
enum Step {
    Done(Box<Played>),
    End,
    Failed(RecordingError),
    Panicked(String),
}

fn replay(arguments: &Arguments, bytes: Bytes, out: &mut impl Write) -> io::Result<u8> {
    let show = Show {
        data: arguments.data,
    };
    // Beside the player, so that a call that panics has been shown before.
    let opened = Reader::new(bytes).and_then(|reader| {
        let player = Player::of(reader.clone(), Limits::default())?;
        Ok((reader, player))
    });
    let (mut reader, mut player) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok(2);
        }
    };
    write!(out, "{}", show.start(player.start()))?;
    let (mut calls, mut readys, mut differences) = (0u64, 0u64, 0u64);
    let mut status = player.node().basic_status();
    let mut ticks = Ticks::default();
    let verdict = loop {
        let number = calls + 1;
        let shown = (arguments.from..=arguments.to).contains(&number);
        if let Ok(Some(record)) = reader.next_call()
            && let Some(call) = record.call.filter(|_| shown)
            && !ticks.add(number, &call)
        {
            ticks.flush(out)?;
            writeln!(out, "{number:>6} {}", show.call(&call))?;
            // Before it is made: it may be the last one.
            out.flush()?;
        }
        let played = match step(&mut player) {
            Step::Done(played) => played,
            Step::End => break u8::from(differences > 0),
            Step::Failed(error) => {
                ticks.flush(out)?;
                writeln!(out, "{error}")?;
                break 2;
            }
            Step::Panicked(why) => {
                ticks.flush(out)?;
                writeln!(out, "       the library panicked in call {number}: {why}")?;
                break 3;
            }
        };
        calls = played.number;
        readys += u64::from(played.shown_ready().is_some());
        let now = player.node().basic_status();
        let answer = match shown {
            true => answer(&show, &played, &status, &now),
            false => String::new(),
        };
        if !answer.is_empty() || played.difference.is_some() {
            ticks.flush(out)?;
        }
        write!(out, "{answer}")?;
        if let Some(difference) = played.difference {
            differences += 1;
            let name = played.call.name();
            writeln!(out, "  !!!  call {number} ({name}) differs: {difference}")?;
        }
        status = now;
    };
    ticks.flush(out)?;
    writeln!(out, "{}", show.status(&status))?;
    let end = match player.stop_reason() {
        Some(reason) => format!("{reason:?}").to_lowercase(),
        None => "taken here".to_owned(),
    };
    writeln!(
        out,
        "{calls} calls, {readys} Readys, {differences} differences; its end: {end}"
    )?;
    Ok(verdict)
}

fn step(player: &mut Player) -> Step {
    // The player is not used again after a panic.
    match catch_unwind(AssertUnwindSafe(|| player.play())) {
        Ok(Ok(Some(played))) => Step::Done(Box::new(played)),
        Ok(Ok(None)) => Step::End,
        Ok(Err(error)) => Step::Failed(error),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            Step::Panicked(text.unwrap_or("no message").to_owned())
        }
    }
}

/// What a call has given, and what has become of the node.
fn answer(show: &Show, played: &Played, before: &BasicStatus, now: &BasicStatus) -> String {
    let mut text = String::new();
    match &played.result {
        Err(error) => _ = writeln!(text, "       error: {error}"),
        Ok(Answer::None) => {}
        Ok(Answer::Ready(ready)) => text.push_str(&show.ready(ready)),
        Ok(Answer::ConfState(state)) => _ = writeln!(text, "       {}", show.members(state)),
    }
    if before != now {
        _ = writeln!(text, "       [{}]", show.status(now));
    }
    text
}

/// Ticks that follow each other and do nothing to be seen, on one line.
#[derive(Default)]
struct Ticks {
    first: u64,
    count: u64,
}

impl Ticks {
    /// Whether the call is one of them.
    fn add(&mut self, number: u64, call: &Call) -> bool {
        if !matches!(call, Call::Tick(_)) {
            return false;
        }
        if self.count == 0 {
            self.first = number;
        }
        self.count += 1;
        true
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Ticks { first, count } = std::mem::take(self);
        match count {
            0 => Ok(()),
            1 => writeln!(out, "{first:>6} tick"),
            _ => writeln!(out, "{first:>6} tick, {count} times"),
        }
    }
}

#[cfg(test)]
mod tests;
