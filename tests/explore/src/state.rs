//! A state of the cluster: three machines, the network, what has happened, and what may still.
//!
//! The network is the set of all messages ever sent. A message stays there when it is delivered, so
//! that it may come again at any time; and it may never come. So the network loses, repeats, delays and
//! reorders without bound, and takes no decisions of its own. Messages that their recipient ignores
//! for good are taken out.

use crate::catalogue::{MessageId, StateId};
use crate::check::History;
use crate::log::Marks;
use crate::visited::spread;

/// How much of the bounds is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub proposals: u8,
    pub changes: u8,
    pub crashes: u8,
    pub reads: u8,
    pub campaigns: u8,
    pub heartbeats: u8,
    /// What the answer to the last read must be at least, counted from 1.
    pub floor: u8,
}

impl Used {
    fn to_bytes(self) -> [u8; 8] {
        [
            self.proposals,
            self.changes,
            self.crashes,
            self.reads,
            self.campaigns,
            self.heartbeats,
            self.floor,
            0,
        ]
    }

    fn from_bytes(bytes: [u8; 8]) -> Used {
        let [
            proposals,
            changes,
            crashes,
            reads,
            campaigns,
            heartbeats,
            floor,
            _,
        ] = bytes;
        Used {
            proposals,
            changes,
            crashes,
            reads,
            campaigns,
            heartbeats,
            floor,
        }
    }
}

/// A state without the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub machines: [StateId; 3],
    pub history: History,
    pub used: Used,
}

impl Head {
    /// The part of the fingerprint that is of neither machines nor network.
    #[inline]
    pub fn rest_fingerprint(&self) -> u64 {
        let Head { history, used, .. } = *self;
        spread(4, history.committed)
            .wrapping_add(spread(5, history.terms))
            .wrapping_add(spread(6, u64::from(history.leaders)))
            .wrapping_add(spread(7, u64::from_le_bytes(used.to_bytes())))
    }

    /// The fingerprint without the network's part.
    pub fn fingerprint(&self) -> u64 {
        let machines = (0..3).map(|place| machine_fingerprint(place, self.machines[place]));
        machines.fold(self.rest_fingerprint(), u64::wrapping_add)
    }
}

/// A machine's part of the fingerprint.
#[inline]
pub fn machine_fingerprint(place: usize, state: StateId) -> u64 {
    spread(1 + place as u64, u64::from(state))
}

/// A message's part of the fingerprint. All parts are added up.
#[inline]
pub fn message_fingerprint(id: MessageId) -> u64 {
    spread(8, u64::from(id))
}

/// States in a row, packed: those of one depth.
#[derive(Default)]
pub struct Level {
    words: Vec<u16>,
    pub count: usize,
}

/// The length of a packed state without its network.
const HEAD: usize = 20;

impl Level {
    pub fn push(&mut self, head: &Head, network: impl Iterator<Item = MessageId>) {
        let Head {
            machines,
            history,
            used,
        } = *head;
        let words = &mut self.words;
        for machine in machines {
            words.extend([machine as u16, (machine >> 16) as u16]);
        }
        push_word(words, history.committed);
        push_word(words, history.terms);
        words.push(history.leaders);
        push_word(words, u64::from_le_bytes(used.to_bytes()));
        let length = words.len();
        words.push(0);
        words.extend(network);
        words[length] = (words.len() - length - 1) as u16;
        self.count += 1;
    }

    /// The state at a position, with its network in `network`. Returns it and the next position.
    pub fn read(&self, position: usize, network: &mut Vec<MessageId>) -> (Head, usize) {
        let words = &self.words[position..];
        let machine =
            |place: usize| u32::from(words[2 * place]) | u32::from(words[2 * place + 1]) << 16;
        let head = Head {
            machines: [machine(0), machine(1), machine(2)],
            history: History {
                committed: read_word(&words[6..10]),
                terms: read_word(&words[10..14]),
                leaders: words[14],
            },
            used: Used::from_bytes(read_word(&words[15..19]).to_le_bytes()),
        };
        let length = usize::from(words[HEAD - 1]);
        network.clear();
        network.extend_from_slice(&words[HEAD..HEAD + length]);
        (head, position + HEAD + length)
    }

    pub fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }
}

fn push_word(words: &mut Vec<u16>, word: Marks) {
    words.extend((0..4).map(|part| (word >> (16 * part)) as u16));
}

fn read_word(words: &[u16]) -> Marks {
    (0..4)
        .map(|part| Marks::from(words[part]) << (16 * part))
        .sum()
}
