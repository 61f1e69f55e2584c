//! The samples in Rust that the documentation shows. Each is a test.

mod membership;
mod observability;
mod reads;
