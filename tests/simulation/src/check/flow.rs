//! Flow control: how much a leader sends at once, has in flight, and takes without committing it.

use libraft_core::*;

use super::{Checked, ensure};

/// An append leaves.
pub fn append(node: NodeId, entries: &[Entry], max_bytes: u64) -> Checked {
    let bytes = entries.iter().map(codec::entry_encoded_len).sum::<usize>() as u64;
    ensure(
        bytes <= max_bytes || entries.len() == 1,
        "flow control",
        node,
        || {
            format!(
                "an append with {} entries, {bytes} bytes of {max_bytes}",
                entries.len()
            )
        },
    )
}

/// A leader has sent appends, none with a payload above `largest`. `own` has the most messages and bytes
/// that the host has allowed for one peer.
pub fn in_flight(
    status: &Status,
    config: &Config,
    own: impl Fn(NodeId) -> Option<(usize, u64)>,
    largest: u64,
) -> Checked {
    let max_bytes = match config.max_inflight_bytes {
        0 => u64::MAX,
        limit => limit,
    };
    let general = (config.max_inflight_msgs as usize, max_bytes);
    for peer in &status.progress {
        let own = own(peer.id).unwrap_or((0, 0));
        let max_messages = general.0.max(own.0);
        // The append that reaches the limit is still sent.
        let max_bytes = general.1.max(own.1).saturating_add(largest);
        let fits = peer.inflight_messages <= max_messages && peer.inflight_bytes < max_bytes;
        let sound = peer.match_index < peer.next_index
            && peer.next_index <= status.basic.last_index + 1
            && (peer.state == FlowState::Snapshot) == (peer.pending_snapshot > 0);
        ensure(fits && sound, "flow control", status.basic.id, || {
            format!("{peer:?} with {max_messages} messages and {max_bytes} bytes allowed")
        })?;
    }
    Ok(())
}

/// A leader has taken a proposal of `added` bytes on top of `uncommitted` ones.
pub fn proposed(node: NodeId, uncommitted: u64, added: u64, config: &Config) -> Checked {
    let limit = match config.max_uncommitted_bytes {
        0 => u64::MAX,
        limit => limit,
    };
    let fits = uncommitted == 0 || added == 0 || uncommitted + added <= limit;
    ensure(fits, "flow control", node, || {
        format!("takes {added} bytes with {uncommitted} uncommitted of {limit}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_appends_are_found() {
        let entry = |index| Entry {
            term: 1,
            index,
            ..Entry::default()
        };
        append(1, &[entry(1)], 0).unwrap();
        append(1, &[entry(1), entry(2)], 8).unwrap();
        assert!(append(1, &[entry(1), entry(2)], 7).is_err());
    }

    #[test]
    fn full_windows_and_bad_progress_are_found() {
        let mut config = Config::new(1);
        config.max_inflight_msgs = 2;
        config.max_inflight_bytes = 100;
        let peer = ProgressStatus {
            id: 2,
            match_index: 3,
            next_index: 5,
            state: FlowState::Replicate,
            inflight_messages: 2,
            inflight_bytes: 109,
            ..ProgressStatus::default()
        };
        let check = |peer: ProgressStatus| {
            let basic = BasicStatus {
                last_index: 4,
                ..BasicStatus::default()
            };
            let status = Status {
                basic,
                progress: vec![peer],
                ..Status::default()
            };
            in_flight(&status, &config, |_| None, 10)
        };
        check(peer).unwrap();
        assert!(
            check(ProgressStatus {
                inflight_messages: 3,
                ..peer
            })
            .is_err()
        );
        assert!(
            check(ProgressStatus {
                inflight_bytes: 110,
                ..peer
            })
            .is_err()
        );
        assert!(
            check(ProgressStatus {
                next_index: 3,
                ..peer
            })
            .is_err()
        );
        assert!(
            check(ProgressStatus {
                next_index: 6,
                ..peer
            })
            .is_err()
        );
        assert!(
            check(ProgressStatus {
                pending_snapshot: 9,
                ..peer
            })
            .is_err()
        );
    }

    #[test]
    fn proposals_beyond_the_limit_are_found() {
        let mut config = Config::new(1);
        proposed(1, 1000, 1000, &config).unwrap();
        config.max_uncommitted_bytes = 50;
        proposed(1, 0, 1000, &config).unwrap();
        proposed(1, 40, 10, &config).unwrap();
        assert!(proposed(1, 41, 10, &config).is_err());
    }
}
