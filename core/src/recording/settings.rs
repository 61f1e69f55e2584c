//! A node's settings: between [`Config`] and what a recording has of it. Field for field, and spelled
//! out, so that a setting that is added can't be left out here.

use crate::config::{Config, ReadOnlyOption};
use crate::error::{Error, Result};
use crate::proto::libraft::recording::Config as Recorded;

/// The settings of one type as those of the other, with what becomes of `read_only`, the only one
/// that they have of different types.
macro_rules! convert {
    ($from:ident to $to:ident, $settings:expr, $read_only:ident => $converted:expr) => {
        convert!(@ $from $to $settings, $read_only => $converted;
            id, election_ticks, min_election_ticks, max_election_ticks, heartbeat_ticks, seed, pre_vote,
            check_quorum, priority, max_size_per_msg, max_committed_size_per_ready,
            max_uncommitted_bytes, max_inflight_msgs, max_inflight_bytes, max_cached_bytes,
            max_pending_reads, coalesce_appends, async_storage_writes, max_apply_unpersisted_entries,
            disable_proposal_forwarding, disable_conf_change_validation, step_down_on_removal,
            peer_reports, record_bytes)
    };
    (@ $from:ident $to:ident $settings:expr, $read_only:ident => $converted:expr; $($name:ident),*) => {{
        let $from { $($name,)* read_only: $read_only } = *$settings;
        $to { $($name,)* read_only: $converted }
    }};
}

pub(super) fn config_to_proto(config: &Config) -> Recorded {
    convert!(Config to Recorded, config, read_only => read_only as i32)
}

pub(super) fn config_from_proto(config: &Recorded) -> Result<Config> {
    let known = |read_only| match read_only {
        0 => Ok(ReadOnlyOption::Safe),
        1 => Ok(ReadOnlyOption::LeaseBased),
        other => Err(Error::InvalidConfig(format!("unknown read_only {other}"))),
    };
    Ok(convert!(Recorded to Config, config, read_only => known(read_only)?))
}
