//! Panics of the core, which are broken assertions, kept quiet and remembered.

use std::cell::RefCell;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics quiet, and notes what they say. To be called once, at the start.
pub fn catch() {
    std::panic::set_hook(Box::new(|info| {
        LAST.with(|last| *last.borrow_mut() = info.to_string());
    }));
}

/// What the last panic of this thread said, and where it was.
pub fn last() -> String {
    LAST.with(|last| last.borrow().clone())
}
