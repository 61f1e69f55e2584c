//! Bytes that are said to be a recording of the calls on a node. They are played, or refused, within
//! bounds; and twice is the same as once.

use bytes::Bytes;
use libraft_core::recording::{Limits, Player, Reader, replay};

/// What a player may use here.
const LIMITS: Limits = Limits {
    max_queued_entries: 1 << 12,
    max_ready_bytes: 1 << 20,
    max_ticks: 1 << 14,
};

/// One input.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let once = replay(bytes.clone(), LIMITS, |_| true);
    let twice = replay(bytes.clone(), LIMITS, |_| true);
    assert_eq!(format!("{once:?}"), format!("{twice:?}"));
    // What is changed at random has no right checksums.
    let player = Reader::unchecked(bytes).and_then(|reader| Player::of(reader, LIMITS));
    let Ok(mut player) = player else { return };
    while let Ok(Some(played)) = player.play() {
        let _ = played.shown_ready();
        if let Some(difference) = played.difference {
            let _ = difference.to_string();
        }
    }
}
