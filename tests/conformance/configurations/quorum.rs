//! `committed` and `vote`: what one majority, or two at once, have agreed on.

use std::fmt::Write as _;

use libraft_core::quorum::{VoteResult, committed_index, vote_result};
use libraft_core::{Index, NodeId};

use crate::script::{Argument, Block, Failure};

/// The voters of a block, and what each one has said.
struct Voters<T> {
    halves: [Vec<NodeId>; 2],
    /// Of every voter; `None` has said nothing.
    said: Vec<(NodeId, Option<T>)>,
}

impl<T: Copy> Voters<T> {
    /// Reads `cfg`, `cfgj` and the list `name`, whose words `parse` understands. They are in the
    /// order of the voters, who count once if they are in both halves.
    fn read(
        block: &Block,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Voters<T>, Failure> {
        let mut halves = [Vec::new(), Vec::new()];
        let mut words = Vec::new();
        for argument in &block.arguments {
            match argument.key.as_str() {
                "cfg" => halves[0] = ids(block, argument)?,
                // The empty majority, which agrees to everything.
                "cfgj" if values(block, argument)? == ["zero"] => {}
                "cfgj" => halves[1] = ids(block, argument)?,
                key if key == name => words = values(block, argument)?.to_vec(),
                key => return Err(block.fail(format!("there is no argument {key}"))),
            }
        }
        let mut order: Vec<NodeId> = Vec::new();
        for &id in halves.iter().flatten() {
            if !order.contains(&id) {
                order.push(id);
            }
        }
        if order.len() != words.len() {
            let (voters, said) = (order.len(), words.len());
            return Err(block.fail(format!("{voters} voters, and {name} of {said}")));
        }
        let mut said = Vec::new();
        for (id, word) in order.into_iter().zip(&words) {
            let known = match word.as_str() {
                "_" => None,
                word => match parse(word) {
                    None => return Err(block.fail(format!("'{word}' is nothing for {name}"))),
                    known => known,
                },
            };
            said.push((id, known));
        }
        said.sort_by_key(|&(id, _)| id);
        for half in &mut halves {
            half.sort_unstable();
            half.dedup();
        }
        Ok(Voters { halves, said })
    }

    fn halves(&self) -> [&[NodeId]; 2] {
        self.halves.each_ref().map(Vec::as_slice)
    }

    fn of(&self, id: NodeId) -> Option<T> {
        let voter = self.said.iter().find(|(voter, _)| *voter == id);
        voter.and_then(|&(_, said)| said)
    }
}

fn values<'a>(block: &Block, argument: &'a Argument) -> Result<&'a [String], Failure> {
    let values = argument.values.as_deref();
    values.ok_or_else(|| block.fail(format!("{} takes a list", argument.key)))
}

fn ids(block: &Block, argument: &Argument) -> Result<Vec<NodeId>, Failure> {
    let id = |word: &String| {
        let id = word.parse().ok().filter(|&id| id != 0);
        id.ok_or_else(|| block.fail(format!("'{word}' is no node")))
    };
    values(block, argument)?.iter().map(id).collect()
}

/// A bar for the rank of each acknowledged index, and the index that is committed.
pub fn committed(block: &Block) -> Result<String, Failure> {
    let voters: Voters<Index> = Voters::read(block, "idx", |word| word.parse().ok())?;
    let count = voters.said.len();
    let index_of = |said: Option<Index>| said.unwrap_or(0);
    let mut text = String::new();
    if count == 0 {
        text += "<empty majority quorum>";
    } else {
        let _ = writeln!(text, "{:count$}    idx", "");
    }
    for &(id, said) in &voters.said {
        let index = index_of(said);
        let rank = voters
            .said
            .iter()
            .filter(|(_, other)| index_of(*other) < index)
            .count();
        let bar = match said {
            Some(_) => format!("{}>", "x".repeat(rank)),
            None => "?".to_owned(),
        };
        let width = count + 1;
        let _ = writeln!(text, "{bar:width$} {index:>5}    (id={id:x})");
    }
    let acked = |&id: &NodeId| index_of(voters.of(id));
    match committed_index(voters.halves().map(|half| half.iter().map(acked))) {
        Index::MAX => text += "∞\n",
        index => _ = writeln!(text, "{index}"),
    }
    Ok(text)
}

/// How an election stands.
pub fn vote(block: &Block) -> Result<String, Failure> {
    let voters = Voters::read(block, "votes", |word| match word {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    })?;
    let result = match vote_result(voters.halves(), |id| voters.of(id)) {
        VoteResult::Pending => "VotePending",
        VoteResult::Lost => "VoteLost",
        VoteResult::Won => "VoteWon",
    };
    Ok(format!("{result}\n"))
}
