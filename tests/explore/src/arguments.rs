//! The command line.

use crate::setting::Setting;

pub const USAGE: &str = "\
usage: explore [--long] [--only NAME,..] [--set BOUND=NUMBER,..] [--jobs COUNT] [--limit STATES]
               [--mutant NUMBER]

  --long   the larger bounds
  --only   only these explorations
  --set    other bounds: term, campaigns, heartbeats, proposals, crashes, reads, batch;
           and off (0) or on (1): unreachable, transfers, compaction, loses-commit, torn, pre-vote,
           coalesce, single-entries
  --jobs   how many explorations run at the same time (default: the number of processors)
  --limit  give up an exploration that has more states
  --mutant put this bug into the core, in a build that has them: make explore MUTANT=24";

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    pub long: bool,
    pub only: Vec<String>,
    pub set: Vec<(String, u8)>,
    pub jobs: Option<usize>,
    pub limit: Option<u64>,
    pub mutant: Option<u64>,
}

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them.
pub fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    while let Some(name) = words.next() {
        if name == "--long" {
            arguments.long = true;
            continue;
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        let number = |text: &str| {
            let number = text.replace('_', "").parse::<u64>();
            number.map_err(|_| format!("{name}: no number: {text}"))
        };
        match name.as_str() {
            "--only" => arguments.only = value.split(',').map(str::to_owned).collect(),
            "--jobs" => arguments.jobs = Some(number(&value)?.max(1) as usize),
            "--limit" => arguments.limit = Some(number(&value)?),
            "--mutant" => arguments.mutant = Some(number(&value)?),
            "--set" => {
                for bound in value.split(',') {
                    let (name, number_of) = bound
                        .split_once('=')
                        .ok_or_else(|| format!("--set wants BOUND=NUMBER, not {bound}"))?;
                    let small = u8::try_from(number(number_of)?);
                    let small = small.map_err(|_| format!("{name} is at most 255"))?;
                    arguments.set.push((name.to_owned(), small));
                }
            }
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok(arguments)
}

impl Arguments {
    /// The explorations that are asked for.
    ///
    /// # Errors
    /// A name or a bound that there is not.
    pub fn select(&self, all: Vec<Setting>) -> Result<Vec<Setting>, String> {
        for name in &self.only {
            if !all.iter().any(|setting| setting.name == name) {
                let names: Vec<_> = all.iter().map(|setting| setting.name).collect();
                return Err(format!("there is no {name}, but {}", names.join(", ")));
            }
        }
        let wanted = |setting: &Setting| {
            self.only.is_empty() || self.only.iter().any(|name| name == setting.name)
        };
        let mut selected: Vec<Setting> = all.into_iter().filter(wanted).collect();
        for setting in &mut selected {
            for (name, value) in &self.set {
                setting.set(name, *value)?;
            }
            setting.limit = self.limit.unwrap_or(setting.limit);
        }
        Ok(selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Arguments, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read() {
        let arguments = of("--long --only a,b --set term=3,torn=1 --jobs 2 --limit 5_000");
        let expected = Arguments {
            long: true,
            only: vec!["a".to_owned(), "b".to_owned()],
            set: vec![("term".to_owned(), 3), ("torn".to_owned(), 1)],
            jobs: Some(2),
            limit: Some(5000),
            mutant: None,
        };
        assert_eq!(arguments, Ok(expected));
    }

    #[test]
    fn nonsense_is_named() {
        for line in [
            "--only",
            "--jobs x",
            "--what 1",
            "--set term",
            "--set term=300",
        ] {
            assert!(of(line).is_err(), "{line}");
        }
        let select = |line: &str| of(line).and_then(|a| a.select(crate::setting::all(false)));
        assert!(select("--only nothing").is_err());
        assert!(select("--set height=3").is_err());
        assert!(select("--set term=8").is_err());
        assert_eq!(
            select("--only removal").map(|settings| settings.len()),
            Ok(1)
        );
    }
}
