//! The rules of the Raft paper and thesis, one test for each.
mod elections;
mod nodes;
mod replication;
mod safety;
mod terms;

#[path = "../cluster/mod.rs"]
mod cluster;
