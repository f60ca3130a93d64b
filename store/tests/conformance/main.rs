//! What every store must do, one list, run on each of them.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod adopted;
mod contention;
mod deaths;
mod doors;
mod faults;
mod fixtures;
mod guard;
mod hand;
mod history;
mod leases;
mod logs;
mod long_history;
mod nouns;
mod outages;
mod purged;
mod readiness;
mod reports;
mod requests;
mod returns;
mod shadows;
mod small;
mod stops;
mod tables;

/// Makes a test of each case. A store that is not there (no server was named) has none to fail.
macro_rules! tests {
    ($store:ident, $($topic:ident: $($case:ident)+;)+) => {$(
        mod $topic {$(
            #[tokio::test]
            async fn $case() {
                if let Some(doors) = crate::doors::$store().await {
                    crate::$topic::$case(&doors).await;
                }
            }
        )+}
    )+};
}

/// What every store must do.
macro_rules! every_store {
    ($store:ident) => {
        tests! { $store,
            nouns:
                a_segment_is_made_and_read
                a_segment_is_changed
                two_segments_cannot_have_one_name
                a_deleted_segment_takes_its_hosts_along_and_frees_the_names
                a_segment_that_is_not_there_cannot_be_changed
                segments_are_filtered
                segments_are_sorted
                a_sort_key_that_is_no_column_is_refused
                pages_meet_without_gap_or_overlap
                a_marker_that_is_not_there_is_refused
                a_host_is_made_changed_and_deleted
                two_hosts_cannot_have_one_name_even_in_two_segments
                a_host_needs_its_segment
                hosts_are_filtered
                a_segment_is_in_use_while_a_recovery_is_under_way;
            reports:
                a_report_becomes_a_notification_a_recovery_and_evidence
                of_fifty_identical_reports_at_once_one_is_accepted
                the_window_ends_when_it_ends
                reports_that_say_something_else_are_no_repetition
                a_report_whose_answer_was_lost_is_accepted_once
                what_is_said_again_is_kept_where_it_is_news
                notifications_are_filtered_and_sorted
                evidence_is_shown_oldest_first_and_bounded;
            leases:
                a_lease_that_nobody_ever_took_has_no_row_and_can_be_taken
                leases_are_taken_all_or_none
                a_lease_that_changed_since_it_was_seen_is_not_taken
                of_many_takers_at_once_one_wins
                a_renewal_and_a_taking_at_once_do_not_both_succeed
                the_owner_takes_again_what_it_took_when_the_answer_was_lost
                renewing_bumps_the_beat
                a_former_owner_can_neither_renew_nor_give_back
                a_lease_of_an_earlier_generation_is_not_ours
                a_lease_given_back_keeps_its_generation;
            logs:
                a_log_is_read_as_it_was_written
                hundreds_of_lines_at_once_are_kept_in_order
                the_same_lines_twice_are_written_once
                lines_that_leave_a_gap_or_rewrite_are_refused
                a_former_owner_writes_nothing
                the_lease_of_another_recovery_is_no_right_to_write
                writing_renews_the_lease
                the_status_and_the_host_show_what_the_log_says
                a_reserved_host_is_taken_once
                vm_moves_are_shown_and_changed
                the_last_of_two_summaries_of_one_vm_move_counts
                a_terminal_status_closes_the_recovery_for_good
                open_recoveries_are_listed_oldest_first;
            small:
                a_report_of_a_vm_names_its_server_and_hosts_come_first
                the_open_recovery_of_a_host_is_found
                restarts_of_a_server_are_counted_within_the_window
                maintenance_for_a_process_ends_with_what_a_person_says
                a_host_on_maintenance_already_is_not_marked;
            deaths:
                the_hosts_that_died_with_a_server_on_them_are_told
                a_death_keeps_its_moment_when_its_server_is_moved
                what_moves_from_a_host_that_lives_tells_of_no_death
                hundreds_of_servers_are_asked_about_at_once;
            guard:
                lost_hosts_are_told_with_the_sizes_of_their_segments
                a_host_that_was_deleted_is_no_part_of_its_segments_size
                a_loss_is_told_while_it_is_open_or_young
                of_two_that_read_the_same_one_begins
                of_many_that_begin_at_once_one_does
                what_read_the_guard_before_the_switch_was_turned_begins_nothing
                the_switch_is_as_it_was_turned_last
                a_storm_is_remembered_at_its_latest
                what_the_guard_holds_does_not_make_its_segment_in_use
                what_is_tried_again_has_not_begun;
            stops:
                a_stop_reads_back_and_stands_to_its_end
                what_is_planned_anew_takes_the_place_of_what_was
                a_stop_is_ended_once
                what_read_the_guard_before_a_stop_was_planned_begins_nothing
                what_a_planned_stop_holds_does_not_make_its_segment_in_use;
            requests:
                a_request_is_filed_and_listed_oldest_first
                a_persons_word_that_is_passed_on_is_read_as_it_was_said
                a_plan_that_is_asked_for_is_read_as_it_was_filed
                a_fence_test_that_is_asked_for_is_read_as_it_was_filed
                a_report_that_is_asked_for_is_read_as_it_was_filed
                a_request_is_answered_once
                what_a_reporter_attests_is_kept_whole
                a_request_that_nobody_filed_cannot_be_answered
                what_a_device_proved_is_evidence_with_its_line_once;
            hand:
                what_is_asked_of_a_recovery_reads_back
                a_recovery_that_ended_is_opened_with_the_answer_and_the_line
                a_request_that_was_answered_lets_no_line_in
                a_restart_that_is_tried_again_counts_once;
            returns:
                a_host_is_away_from_the_end_of_its_recovery_until_it_is_back
                a_host_that_returns_may_take_a_reserved_ones_place
                a_recovery_that_is_tried_again_leaves_its_host_once_more
                what_a_client_says_of_its_maintenance_is_kept_with_it
                a_host_that_was_deleted_does_not_come_back
                a_persons_wish_for_a_return_reads_back;
            readiness:
                the_last_look_at_each_hosts_devices_is_kept
                of_each_host_the_last_sign_of_life_of_each_kind_is_kept
                of_each_guest_the_last_word_is_kept
                of_each_host_its_agents_last_word_is_kept;
        }
    };
}

/// What a store must do that finds a database.
macro_rules! every_database {
    ($store:ident) => {
        tests! { $store,
            adopted:
                what_python_wrote_is_read
                what_python_did_not_finish_is_taken_over
                a_report_that_python_accepted_is_not_accepted_again
                a_report_among_old_ones_is_not_accepted_again
                what_python_accepts_beside_us_is_found_and_remembered
                what_python_accepted_while_nobody_reported_to_us_is_remembered
                something_else_than_python_accepted_is_accepted
                older_databases_are_brought_up_to_date
                a_database_of_our_version_before_is_brought_up_to_date
                a_schema_that_does_not_fit_is_named_and_left_alone
                a_database_without_tables_is_named_as_such
                what_python_noted_of_a_recovery_is_read;
            history:
                old_notifications_are_listed_as_new_ones
                what_python_changes_later_is_seen
                what_python_removes_leaves_no_short_page
                what_is_tried_again_is_listed_as_what_it_is;
            purged:
                what_is_old_goes_and_what_has_not_ended_stays
                looks_at_the_devices_of_hosts_that_are_gone_go
                what_was_said_of_guests_and_of_hosts_goes
                which_machines_hosts_were_goes
                the_log_of_a_host_goes_when_nothing_is_left_of_its_losses
                the_log_of_a_drain_or_a_fence_test_goes_when_that_is_over
                the_log_of_a_drain_goes_when_a_person_has_ended_it
                leases_of_servers_go_once_nobody_holds_them
                no_more_rows_go_than_were_allowed
                a_segment_stays_while_a_host_of_it_does;
        }
    };
}

mod memory {
    every_store!(memory);
}

mod sqlite {
    every_store!(sqlite);
    every_database!(sqlite);
}

mod mariadb {
    every_store!(mariadb);
    every_database!(mariadb);
}

mod postgresql {
    every_store!(postgresql);
    every_database!(postgresql);
}

/// Each door is at a node of its own, so what must hold between processes must hold between nodes.
mod galera {
    every_store!(galera);
    every_database!(galera);
}
