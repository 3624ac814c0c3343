//! Runs the models.

use oneloop_loom::models;

#[test]
fn no_wake_of_two_senders_is_lost() {
    models::no_wake_of_two_senders_is_lost();
}

#[test]
fn one_wake_for_two_comes_after_both() {
    models::one_wake_for_two_comes_after_both();
}

#[test]
fn no_wake_is_lost_in_the_reactor() {
    models::no_wake_is_lost_in_the_reactor();
}

#[test]
fn no_wake_is_lost_while_the_reactor_is_made() {
    models::no_wake_is_lost_while_the_reactor_is_made();
}

#[test]
fn no_announcement_is_lost() {
    models::no_announcement_is_lost();
}

#[test]
fn a_call_meets_the_end() {
    models::a_call_meets_the_end();
}

#[test]
fn a_call_for_the_former_tenant_does_not_reach_the_next() {
    models::a_call_for_the_former_tenant_does_not_reach_the_next();
}
