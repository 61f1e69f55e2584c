//! The examples are run as what they are; they check their own outcome.

#[path = "../examples/restart.rs"]
mod restart;
#[path = "../examples/three_members.rs"]
mod three_members;

#[test]
fn a_member_goes_on_after_a_restart() {
    restart::main().unwrap();
}

#[test]
fn two_of_three_members_go_on_without_the_third() {
    three_members::main().unwrap();
}
