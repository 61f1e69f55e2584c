//! What tells one state of a machine from another: a fingerprint of everything that can influence
//! what it does next.
//!
//! It is made of the state's `Debug` text, which the compiler derives and which therefore has every
//! field, new ones too. Left out are only the fields in [`IDLE`]; why each may be is said there. Three
//! texts are written by hand. The log's window shows its entries and not how they are cut into batches,
//! which says who shares memory, and where an eviction for want of room stops: there is room here. `Entries` shows
//! the entries of a batch, of which it may be a part. And `Boxed` shows its value, or the default that stands for it
//! where there is no box. 128 bits of SipHash stand for the text.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// Fields without influence on what a node does within the bounds of an exploration.
///
/// - `config`: never changes.
/// - `notes`, `appended`: events and counters, which the protocol never reads.
/// - `timer`, `draws`, `asked_at`: nothing waits for time. Only leaders tick, to send heartbeats, with one
///   tick between two, so that they are always due; and an election timeout is a billion ticks, so
///   that none passes within any path. Without timeouts the random numbers have no influence either.
/// - `next_request`: names of requests are only compared with those of requests under way, and
///   every request is answered within the step that makes it.
/// - `brief_before`: says when memory is given back.
/// - `states_moved`, `commit_moved`: say whether to compare what is there with what the last Ready showed, both of
///   which are here; a node checks that they do not say no where there is a difference.
/// - `rest`: says of the members what is said of each of them; a node checks that it is so.
/// - `incarnation`: tells a node's runs apart for peer reports, which are off.
const IDLE: [&str; 12] = [
    "config",
    "notes",
    "appended",
    "timer",
    "draws",
    "asked_at",
    "next_request",
    "brief_before",
    "states_moved",
    "commit_moved",
    "incarnation",
    "rest",
];

/// The fingerprint of a value. `text` is room for the text, which is left there.
pub fn fingerprint(value: &impl Debug, text: &mut String) -> u128 {
    text.clear();
    let mut canonical = Canonical {
        text,
        skipping: None,
    };
    // Writing into a string never fails.
    let _ = write!(canonical, "{value:?}");
    let mut low = DefaultHasher::new();
    let mut high = DefaultHasher::new();
    high.write_u8(1);
    low.write(text.as_bytes());
    high.write(text.as_bytes());
    u128::from(high.finish()) << 64 | u128::from(low.finish())
}

/// Takes the pieces of a `Debug` text and leaves out the values of fields that are [`IDLE`].
struct Canonical<'a> {
    text: &'a mut String,
    /// How many brackets are open within the value that is left out.
    skipping: Option<u32>,
}

impl Write for Canonical<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let Some(mut depth) = self.skipping else {
            self.text.push_str(piece);
            if IDLE.contains(&piece) {
                self.skipping = Some(0);
            }
            return Ok(());
        };
        for (place, byte) in piece.bytes().enumerate() {
            match byte {
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' if depth > 0 => depth -= 1,
                b'}' | b']' | b')' | b',' if depth == 0 => {
                    self.skipping = None;
                    self.text.push_str(&piece[place..]);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.skipping = Some(depth);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[derive(Debug)]
    #[allow(dead_code, reason = "read by Debug alone")]
    struct Inner {
        timer: (u32, [u8; 2]),
        term: u64,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "read by Debug alone")]
    struct Outer {
        asked_at: Option<u64>,
        inner: Inner,
        next_request: u64,
    }

    fn of(asked_at: Option<u64>, timer: (u32, [u8; 2]), term: u64, next_request: u64) -> u128 {
        let inner = Inner { timer, term };
        let value = Outer {
            asked_at,
            inner,
            next_request,
        };
        fingerprint(&value, &mut String::new())
    }

    #[test]
    fn idle_fields_do_not_count_and_all_others_do() {
        let one = of(None, (1, [2, 3]), 4, 5);
        assert_eq!(one, of(Some(9), (7, [8, 9]), 4, 6));
        assert_ne!(one, of(None, (1, [2, 3]), 5, 5));
    }

    #[test]
    fn the_text_of_a_node_has_no_idle_values_and_all_else() {
        let mut text = String::new();
        let config = libraft_core::Config::new(1);
        let node = libraft_core::Node::new(config, libraft_core::RestartState::default());
        fingerprint(&node, &mut text);
        for left_out in ["election_ticks", "rng", "metrics"] {
            assert!(!text.contains(left_out), "{left_out} in {text}");
        }
        for kept in ["timer", "term: 0", "vote: 0", "persisted: 0", "membership"] {
            assert!(text.contains(kept), "{kept} not in {text}");
        }
    }
}
