//! Recordings of the nodes' lives, in the format of `libraft_core::recording`: from each start of a
//! node to its crash. They say everything that a life depended on, so that what a node did in a
//! simulation can be looked at, and done again, without the simulation.

use std::fs;

use bytes::Bytes;
use libraft_core::codec::{self, Buffer};
use libraft_core::recording::{Limits, Player};
use libraft_core::{NodeId, Ready};

use crate::host::Host;

/// More than any life of a simulated node takes.
pub const RECORD_BYTES: u64 = 1 << 40;

/// One life of one node.
#[derive(Clone, Debug)]
pub struct Life {
    pub node: NodeId,
    /// Counted from 1.
    pub number: u32,
    pub recording: Bytes,
    /// The bytes of all Readys that it has given.
    pub readys: Vec<Vec<u8>>,
}

impl Host {
    /// Notes what a Ready was, while it is whole.
    pub fn keep_ready(&mut self, ready: &Ready) {
        if self.config.record_bytes > 0 {
            let mut bytes = Buffer::default();
            codec::encode_ready(ready, &mut bytes);
            self.readys.push(bytes.into());
        }
    }

    /// Keeps what is recorded of the life that ends here.
    pub fn keep_recording(&mut self) {
        if let Some(node) = self.node.as_mut().filter(|_| self.config.record_bytes > 0) {
            self.lives.push(Life {
                node: self.id,
                number: self.life,
                recording: node.record_take(),
                readys: std::mem::take(&mut self.readys),
            });
        }
    }
}

/// Writes each life into a file of its own.
///
/// # Errors
/// The file, and what the system says.
pub fn write(directory: &str, seed: u64, lives: &[Life]) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
    for life in lives {
        let (node, number) = (life.node, life.number);
        let path = format!("{directory}/seed-{seed}-node-{node}-life-{number}.raftrec");
        fs::write(&path, &life.recording).map_err(|error| format!("{path}: {error}"))?;
    }
    println!(
        "  {} recordings: {directory}/seed-{seed}-*.raftrec",
        lives.len()
    );
    Ok(())
}

/// Plays a life again, and compares each Ready, byte for byte, and everything else that is recorded.
///
/// # Errors
/// What is not the same.
pub fn replay(life: &Life) -> Result<u64, String> {
    let place = format!("node {}, life {}", life.node, life.number);
    let mut readys = life.readys.iter();
    let told = |error| format!("{place}: {error}");
    let mut player = Player::new(life.recording.clone(), Limits::default()).map_err(told)?;
    let mut calls = 0;
    while let Some(played) = player.play().map_err(told)? {
        calls = played.number;
        let here = format!("{place}, call {calls} ({})", played.call.name());
        if let Some(difference) = played.difference {
            return Err(format!("{here}: {difference}"));
        }
        if let Some(ready) = played.shown_ready() {
            let mut bytes = Buffer::default();
            codec::encode_ready(&ready, &mut bytes);
            if readys.next().map(Vec::as_slice) != Some(bytes.as_slice()) {
                return Err(format!("{here}: another Ready"));
            }
        }
    }
    match (readys.next(), player.stop_reason()) {
        (None, None) => Ok(calls),
        (None, Some(reason)) => Err(format!("{place}: the recording has ended: {reason:?}")),
        (Some(_), _) => Err(format!("{place}: there were more Readys")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::run::{self, Keep};

    #[test]
    fn every_life_of_simulated_nodes_is_the_same_again() {
        let (mut lives, mut calls, mut readys) = (0, 0, 0);
        for seed in 1..=16 {
            let plan = Plan::draw(seed);
            let keep = Keep {
                recordings: true,
                ..Keep::default()
            };
            let outcome = run::seed(&plan, 2500, keep);
            assert_eq!(outcome.violation, None, "seed {seed}");
            // Recorded or not, the same happens.
            let plain = run::seed(&plan, 2500, Keep::default());
            assert_eq!((outcome.sum, outcome.events), (plain.sum, plain.events));
            for life in &outcome.lives {
                calls += replay(life).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                readys += life.readys.len();
                lives += 1;
            }
        }
        assert!(
            lives > 60 && calls > 15_000 && readys > 2500,
            "{lives}, {calls}, {readys}"
        );
    }

    #[test]
    fn another_ready_is_noticed() {
        let keep = Keep {
            recordings: true,
            ..Keep::default()
        };
        let mut outcome = run::seed(&Plan::draw(1), 500, keep);
        let life = outcome
            .lives
            .iter_mut()
            .find(|life| life.readys.len() > 3)
            .unwrap();
        assert!(replay(life).is_ok());
        life.readys[2].push(0);
        assert!(
            replay(life)
                .unwrap_err()
                .ends_with("(ready): another Ready")
        );
        life.readys.truncate(2);
        assert!(replay(life).is_err());
    }
}
