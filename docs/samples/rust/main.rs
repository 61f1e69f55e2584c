//! The samples in Rust that the documentation shows. Each is a test.

mod observability;
mod reads;
