//! The rules of the Raft paper (Ongaro and Ousterhout, 2014) and of the thesis (Ongaro, 2014), each
//! with a test that bears the number of its section: `s` for a section of the paper, `t` for one of
//! the thesis. A test shows both sides, what has to happen and what must not. Where this library
//! does otherwise on purpose, mostly as etcd-io/raft does, the test says so, and shows what holds
//! instead.
//!
//! These tests use nothing but the public interface of the crate. `cluster` has the host that all
//! tests share, and their vocabulary. The list below is compared with the tests that there are.
//!
//! Paper §5.1, thesis §3.3, terms:
//! - `s5_1_a_server_moves_on_to_any_later_term_that_it_sees`
//! - `s5_1_a_candidate_or_leader_of_an_older_term_becomes_a_follower`
//! - `s5_1_a_message_of_an_older_term_changes_nothing`
//! - `s5_1_votes_and_acknowledgements_of_an_older_term_do_not_count`
//! - `s5_1_a_leader_of_an_older_term_learns_of_the_newer_one`
//! - `s5_1_every_message_carries_its_senders_term`
//! - `s5_1_terms_never_decrease`
//!
//! Paper §5.2, thesis §3.4, leader election:
//! - `s5_2_a_server_starts_as_a_follower`
//! - `s5_2_a_follower_stays_one_while_it_hears_from_a_leader`
//! - `s5_2_a_follower_without_word_from_a_leader_starts_an_election`
//! - `s5_2_granting_a_vote_puts_off_an_election`
//! - `s5_2_a_candidate_without_a_result_starts_another_election`
//! - `s5_2_a_majority_of_votes_wins_the_election`
//! - `s5_2_a_vote_that_comes_twice_counts_once`
//! - `s5_2_only_votes_of_members_count`
//! - `s5_2_a_server_votes_for_one_candidate_in_a_term`
//! - `s5_2_a_candidate_yields_to_a_leader_that_has_won`
//! - `s5_2_a_candidate_ignores_a_leader_of_an_older_term`
//! - `s5_2_a_new_leader_makes_itself_known_at_once`
//! - `s5_2_a_leader_sends_heartbeats_at_every_interval`
//! - `s5_2_election_timeouts_are_random_within_bounds`
//! - `s5_2_election_timeouts_of_several_servers_seldom_coincide`
//! - `s5_2_after_a_split_vote_the_next_election_can_be_won`
//! - `s5_2_no_term_has_two_leaders`
//! - `s5_2_a_leader_exposes_a_second_one_of_its_term`
//!
//! Paper §5.3, thesis §3.5, log replication:
//! - `s5_3_a_leader_appends_a_proposal_and_sends_it_to_all_others`
//! - `s5_3_an_entry_is_committed_when_a_majority_holds_it`
//! - `s5_3_an_acknowledgement_that_comes_twice_counts_once`
//! - `s5_3_followers_learn_what_is_committed_and_apply_it`
//! - `s5_3_committing_an_entry_commits_all_before_it`
//! - `s5_3_committed_entries_are_applied_in_the_order_of_the_log`
//! - `s5_3_a_leader_repeats_appends_until_all_have_everything`
//! - `s5_3_a_follower_refuses_what_does_not_follow_on_its_log`
//! - `s5_3_a_follower_replaces_what_conflicts_and_keeps_what_agrees`
//! - `s5_3_a_late_and_shorter_append_takes_nothing_away`
//! - `s5_3_an_append_that_comes_twice_changes_nothing`
//! - `s5_3_a_leader_only_appends_to_its_own_log`
//! - `s5_3_a_refused_append_is_tried_again_further_back`
//! - `s5_3_a_refusal_lets_the_leader_skip_whole_terms`
//! - `s5_3_figure_7_every_follower_is_brought_in_line`
//! - `s5_3_a_follower_commits_no_further_than_the_logs_are_known_to_agree`
//! - `s5_3_a_minority_that_is_slow_holds_up_nobody`
//! - `s5_3_what_a_follower_is_known_to_hold_never_decreases`
//! - `s5_3_logs_that_share_an_entry_agree_on_all_before_it`
//!
//! Paper §5.4.1, thesis §3.6.1, who may be elected:
//! - `s5_4_1_a_vote_goes_only_to_a_log_as_up_to_date_as_ones_own`
//! - `s5_4_1_a_request_for_a_vote_names_the_last_entry`
//! - `s5_4_1_a_compacted_log_compares_by_its_last_entry`
//! - `s5_4_1_only_who_holds_all_committed_entries_can_be_elected`
//! - `s5_4_1_who_has_missed_a_committed_entry_is_not_elected`
//!
//! Paper §5.4.2, thesis §3.6.2, entries of earlier terms:
//! - `s5_4_2_a_leader_commits_an_entry_of_an_earlier_term_only_with_one_of_its_own`
//! - `s5_4_2_a_new_leader_begins_its_term_with_an_empty_entry`
//! - `s5_4_2_figure_8_c_an_old_entry_on_a_majority_is_not_committed`
//! - `s5_4_2_figure_8_d_an_old_entry_on_a_majority_may_be_replaced`
//! - `s5_4_2_figure_8_e_an_own_entry_on_a_majority_keeps_the_old_one`
//!
//! Paper §5.4.3, thesis §3.6.3, the safety argument:
//! - `s5_4_3_every_later_leader_holds_what_was_committed`
//!
//! Paper §5.5, thesis §3.7, servers that crash:
//! - `s5_5_a_server_that_was_down_catches_up`
//! - `s5_5_a_request_that_comes_again_after_a_crash_does_no_harm`
//!
//! Paper §5.6, no decision depends on time:
//! - `s5_6_nothing_but_an_election_waits_for_time`
//! - `s5_6_messages_may_take_any_time`
//!
//! Thesis §3.8, persisted state and restarts:
//! - `t3_8_a_vote_is_persisted_before_it_is_given`
//! - `t3_8_entries_are_persisted_before_they_are_acknowledged`
//! - `t3_8_a_candidate_counts_its_own_vote_when_it_is_persisted`
//! - `t3_8_a_leader_counts_its_own_entries_when_they_are_persisted`
//! - `t3_8_others_may_commit_what_the_leader_is_still_writing`
//! - `t3_8_term_and_vote_are_synced_and_the_commit_index_need_not_be`
//! - `t3_8_a_vote_outlives_a_restart`
//! - `t3_8_a_server_comes_back_as_a_follower_with_its_log`
//! - `t3_8_the_commit_index_may_be_lost`
//! - `t3_8_a_group_that_restarts_keeps_what_was_committed`
//!
//! Thesis §3.9, timing:
//! - `t3_9_a_heartbeat_interval_has_to_be_below_the_election_timeout`
//! - `t3_9_a_group_finds_a_leader_soon_and_keeps_it`
//!
//! Thesis §3.10, leadership transfer:
//! - `t3_10_a_target_that_is_up_to_date_is_told_to_campaign_at_once`
//! - `t3_10_a_target_that_lags_is_brought_up_to_date_first`
//! - `t3_10_no_proposal_is_taken_during_a_transfer`
//! - `t3_10_a_transfer_is_given_up_after_an_election_timeout`
//! - `t3_10_the_target_campaigns_at_once`
//! - `t3_10_an_election_that_the_leader_wants_is_not_taken_for_a_disturbance`
//! - `t3_10_leadership_passes_to_the_target`
//! - `t3_10_only_another_voter_can_be_the_target`
//! - `t3_10_a_later_target_replaces_the_earlier_one`
//! - `t3_10_a_request_to_campaign_of_an_older_term_is_too_late`
//! - `t3_10_a_target_that_must_not_lead_does_not_campaign`
//!
//! Thesis §4.1, changes of one server, with the correction of 2015:
//! - `t4_1_a_direct_change_keeps_majorities_overlapping`
//! - `t4_1_a_configuration_takes_effect_when_it_is_applied`
//! - `t4_1_a_change_that_is_replaced_has_no_effect`
//! - `t4_1_no_change_is_taken_before_the_last_one_is_applied`
//! - `t4_1_a_new_leader_takes_no_change_before_its_log_is_applied`
//! - `t4_1_no_change_takes_effect_before_an_entry_of_the_term_is_committed`
//! - `t4_1_the_flaw_of_2015_two_changes_across_leaders_are_not_both_committed`
//! - `t4_1_requests_are_taken_from_servers_outside_the_configuration`
//!
//! Thesis §4.2.1, new servers catch up as learners:
//! - `t4_2_1_a_learner_gets_the_log_and_does_not_count`
//! - `t4_2_1_a_learner_does_not_campaign_and_answers_who_asks_for_its_vote`
//! - `t4_2_1_a_new_server_catches_up_before_it_gets_a_vote`
//! - `t4_2_1_a_voter_can_be_made_a_learner`
//!
//! Thesis §4.2.2, removing the leader:
//! - `t4_2_2_a_removed_leader_does_not_count_itself`
//! - `t4_2_2_a_removed_leader_steps_down_when_that_is_committed`
//! - `t4_2_2_the_others_go_on_without_a_removed_leader`
//!
//! Paper §6, thesis §4.2.3, servers that were removed disrupt nobody:
//! - `t4_2_3_who_hears_from_a_leader_ignores_requests_for_votes`
//! - `t4_2_3_a_removed_server_does_not_disrupt_the_group`
//!
//! Paper §6, thesis §4.3, changes of several servers, through a joint configuration:
//! - `t4_3_an_entry_needs_both_majorities`
//! - `t4_3_an_election_needs_both_majorities`
//! - `t4_3_keeping_the_lead_and_reading_need_both_majorities`
//! - `t4_3_a_server_of_either_half_may_lead`
//! - `t4_3_the_leader_completes_the_change`
//! - `t4_3_a_new_leader_completes_the_change_of_its_predecessor`
//! - `t4_3_the_host_may_decide_when_to_leave`
//! - `t4_3_a_joint_configuration_can_only_be_left`
//! - `t4_3_a_voter_becomes_a_learner_when_the_joint_configuration_is_left`
//!
//! Paper §7, thesis §5.1, snapshots:
//! - `t5_1_only_applied_entries_can_be_discarded`
//! - `t5_1_the_consistency_check_works_at_the_edge_of_a_compacted_log`
//! - `t5_1_a_follower_that_lags_behind_the_log_gets_a_snapshot`
//! - `t5_1_a_snapshot_replaces_a_log_that_ends_before_it_or_conflicts`
//! - `t5_1_entries_after_a_snapshot_are_kept`
//! - `t5_1_an_old_snapshot_changes_nothing`
//! - `t5_1_a_snapshot_comes_before_what_follows_it`
//! - `t5_1_replication_goes_on_after_the_snapshot`
//! - `t5_1_a_snapshot_that_was_lost_is_sent_again`
//! - `t5_1_a_leader_sends_no_snapshot_of_what_is_not_committed`
//! - `t5_1_a_new_server_begins_with_a_snapshot`
//!
//! Paper §8, thesis §6.2, the way to the leader:
//! - `t6_2_a_follower_passes_proposals_on_to_its_leader`
//! - `t6_2_a_proposal_that_finds_no_leader_is_refused`
//! - `t6_2_a_leader_without_a_majority_steps_down`
//!
//! Paper §8, thesis §6.3, commands that come twice:
//! - `t6_3_a_proposal_that_comes_twice_is_committed_twice`
//!
//! Paper §8, thesis §6.4, reads:
//! - `t6_4_a_read_waits_until_an_entry_of_the_term_is_committed`
//! - `t6_4_a_read_is_confirmed_by_a_majority_that_answers_a_later_heartbeat`
//! - `t6_4_one_round_of_heartbeats_confirms_all_reads_before_it`
//! - `t6_4_a_read_that_is_repeated_is_not_confirmed_by_answers_to_the_first`
//! - `t6_4_a_leader_that_was_replaced_serves_no_read`
//! - `t6_4_followers_and_learners_ask_the_leader_for_a_read_index`
//! - `t6_4_a_read_that_finds_no_leader_is_refused`
//! - `t6_4_the_only_voter_serves_reads_at_once`
//!
//! Thesis §6.4.1, reads by a lease:
//! - `t6_4_1_a_leader_with_a_lease_serves_reads_at_once`
//! - `t6_4_1_a_lease_needs_the_check_of_the_quorum`
//! - `t6_4_1_a_follower_does_not_forget_a_leader_with_a_lease`
//!
//! Thesis §9.6, to which §4.2.3 refers, pre-votes:
//! - `t9_6_asking_changes_neither_term_nor_vote`
//! - `t9_6_a_majority_of_pre_votes_begins_the_election`
//! - `t9_6_assenting_changes_nothing`
//! - `t9_6_who_hears_from_a_leader_does_not_assent`
//! - `t9_6_a_server_that_was_cut_off_returns_without_a_disturbance`
//! - `t9_6_neither_a_later_term_nor_a_longer_log_stands_in_the_way_of_an_election`
//!
//! Sections without a test here, and why:
//!
//! - Paper §1 to §4, thesis §1 and §2: they argue and compare, and state no rule. Paper §9, thesis
//!   §7 to §11: evaluations, and options of an implementation. Of these, pre-votes are above.
//! - Thesis §3.1 and §3.2: an overview; its properties are those of §3.4 to §3.6.
//! - Thesis §4.2.1, how many rounds a new server is given to catch up: the host's policy, for which
//!   the leader shows how far each server is.
//! - Thesis §4.2.4, the argument that a group stays available: it follows from the rules before it.
//! - Thesis §4.4, how an administrator is to change a running group, when to add or replace a
//!   server: decisions of the host. The core gives it learners, transfer and joint changes.
//! - Thesis §5.2 to §5.5, how the state machine takes its snapshots, when, on disk or in memory, by
//!   log cleaning or log-structured merge trees, or with the leader's help: the host's. The core
//!   asks for a snapshot, and is told what has been discarded.
//! - Thesis §6.1, how clients find the group: the host's.
//! - Thesis §6.3, sessions that filter out repeated commands, and their expiry: the state machine's,
//!   and so the host's.

use std::collections::BTreeSet;

mod clients;
mod elections;
mod joint;
mod membership;
mod persistence;
mod pre_vote;
mod replication;
mod safety;
mod snapshots;
mod terms;
mod transfer;

#[path = "../cluster/mod.rs"]
mod cluster;

/// The section that a test's name begins with: `5.4.2` of `s5_4_2_a_leader`.
fn section(test: &str) -> String {
    let parts = test[1..].split('_');
    let numbers = parts.take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.collect::<Vec<_>>().join(".")
}

#[test]
fn every_test_is_listed_under_its_section() {
    let mut listed = BTreeSet::new();
    let mut heading = "";
    let list = include_str!("main.rs").lines();
    for line in list.map_while(|line| line.strip_prefix("//!")) {
        match line.strip_prefix(" - `") {
            Some(test) => {
                let test = test.trim_end_matches('`');
                let section = format!("§{}", section(test));
                let under = |part: &str| part == section;
                let found = heading.split([' ', ',', ':']).any(under);
                assert!(found, "{test} is listed under: {heading}");
                assert!(listed.insert(test.to_owned()), "{test} is listed twice");
            }
            None if line.is_empty() => {}
            None => heading = line,
        }
    }

    let mut found = crate::cluster::listing::tests_in("tests/paper");
    found.remove("every_test_is_listed_under_its_section");
    let difference: Vec<_> = listed.symmetric_difference(&found).collect();
    assert!(
        difference.is_empty(),
        "listed, or there, but not both: {difference:?}"
    );
    assert!(found.len() >= 100, "{} tests", found.len());
}
