//! The macro that declares every exported function, and the checks that it makes.
//!
//! `try fn` declares a function that can fail. Its last parameter is `error`, its body gives a
//! `Result<(), Failure>`, and it sees each argument as [`Arg::check`] returns it: references
//! instead of pointers, [`Out`] instead of a pointer to a result. `fn` declares one that cannot
//! fail; its body sees the arguments as they are, and must take NULL for an answer.
//!
//! cbindgen does not expand macros, so `tests/header.rs` reads these declarations itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::error::{Failure, raft_error};
use crate::status::{RAFT_ERR_NULL, RAFT_ERR_PANIC, RAFT_OK, raft_status};

macro_rules! export {
    (
        $(#[$meta:meta])*
        try fn $name:ident($($arg:ident: $ty:ty),+ $(,)?) -> raft_status $body:block
    ) => {
        $(#[$meta])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),+) -> $crate::status::raft_status {
            let failure = last_of!($($arg),+);
            let run = || -> Result<(), $crate::error::Failure> {
                $(
                    // SAFETY: what each pointer must point to, and for how long, is what the
                    // function's documentation asks of its caller.
                    #[allow(unused_variables)]
                    let $arg = unsafe { $crate::export::Arg::check($arg, stringify!($arg)) }?;
                )+
                $body
            };
            // SAFETY: `error` is NULL or points to a place for a pointer, by the same contract.
            unsafe { $crate::export::finish($crate::export::catch(run), failure) }
        }
    };
    (
        $(#[$meta:meta])*
        fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? {
            $crate::export::catch(|| Ok($body)).unwrap_or_else(|_| $crate::export::OnPanic::value())
        }
    };
}

macro_rules! last_of {
    ($last:ident) => { $last };
    ($first:ident, $($rest:ident),+) => { last_of!($($rest),+) };
}

/// Runs a function's body and turns a panic into a failure.
///
/// Unwinding out of the body breaks nothing that is used afterwards: a node (`exclusive`) and a
/// configuration (a mutex) stand behind a lock that such an unwinding breaks for good, and everything
/// else is either immutable or was owned by the body.
#[inline]
pub(crate) fn catch<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(panicked(payload)))
}

/// Not inlined, as is nothing else that comes of a failure: a function that needs few registers has few to
/// save. That is 15 instructions for each call.
#[cold]
#[inline(never)]
fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let failure = Failure::new(RAFT_ERR_PANIC, format!("the library panicked: {what}"));
    // A payload may panic once more when it is dropped, and that must not get out either. What
    // comes of that is forgotten unless it is text, since it might go on so.
    if let Err(another) = catch_unwind(AssertUnwindSafe(move || drop(payload)))
        && !another.is::<&str>()
        && !another.is::<String>()
    {
        std::mem::forget(another);
    }
    failure
}

/// The code to return; what it means in words goes to `error`, unless that is NULL.
///
/// # Safety
/// `error` is NULL or may be written to.
#[inline]
pub(crate) unsafe fn finish(
    result: Result<(), Failure>,
    error: *mut *mut raft_error,
) -> raft_status {
    match result {
        Ok(()) => RAFT_OK,
        // SAFETY: the same contract.
        Err(failure) => unsafe { fail(failure, error) },
    }
}

/// # Safety
/// As for [`finish`].
#[cold]
#[inline(never)]
unsafe fn fail(failure: Failure, error: *mut *mut raft_error) -> raft_status {
    let status = failure.status();
    if let Some(error) = NonNull::new(error) {
        // SAFETY: not NULL, and then writable by this function's own contract.
        unsafe { error.write(Box::into_raw(Box::new(raft_error::from(failure)))) };
    }
    status
}

/// A parameter of an exported function.
pub(crate) trait Arg: Sized {
    /// What the body sees.
    type Checked;

    /// Refuses NULL.
    ///
    /// # Safety
    /// A pointer that is not NULL points to a value of its type, which lives and is not moved or
    /// freed while the function runs; a pointer to a result may be written to.
    unsafe fn check(self, name: &str) -> Result<Self::Checked, Failure>;
}

/// The error says what NULL was passed for.
#[cold]
#[inline(never)]
fn null(name: &str) -> Failure {
    Failure::new(RAFT_ERR_NULL, format!("{name} is NULL"))
}

/// A place for a result, to be written last and only on success.
#[derive(Debug)]
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Writes the result. What was there before is not dropped: it was never a value of ours.
    pub(crate) fn put(self, value: T) -> Result<(), Failure> {
        // SAFETY: only `Arg::check` makes an `Out`, under a contract that lets us write here.
        unsafe { self.0.write(value) };
        Ok(())
    }
}

/// Parameters that are themselves: there is nothing to check that the type does not say, or it
/// takes a length to check it.
macro_rules! plain {
    ($($ty:ty),+ $(,)?) => {$(
        impl Arg for $ty {
            type Checked = $ty;
            unsafe fn check(self, _: &str) -> Result<$ty, Failure> {
                Ok(self)
            }
        }
    )+};
}

/// Handles and structs that are borrowed during the call.
macro_rules! borrowed {
    ($($ty:ty),+ $(,)?) => {$(
        impl Arg for *const $ty {
            type Checked = &'static $ty;
            unsafe fn check(self, name: &str) -> Result<&'static $ty, Failure> {
                // SAFETY: by this function's contract. No reference outlives the call: bodies
                // hand out copies and counted references only.
                unsafe { self.as_ref() }.ok_or_else(|| null(name))
            }
        }
    )+};
}

/// The same, for functions that change the object, which then has a lock inside.
macro_rules! borrowed_to_change {
    ($($ty:ty),+ $(,)?) => {$(
        impl Arg for *mut $ty {
            type Checked = &'static $ty;
            unsafe fn check(self, name: &str) -> Result<&'static $ty, Failure> {
                // SAFETY: as for a pointer to const; a shared reference is all that is made.
                unsafe { self.as_ref() }.ok_or_else(|| null(name))
            }
        }
    )+};
}

/// Results.
macro_rules! results {
    ($($ty:ty),+ $(,)?) => {$(
        impl Arg for *mut $ty {
            type Checked = Out<$ty>;
            unsafe fn check(self, name: &str) -> Result<Out<$ty>, Failure> {
                NonNull::new(self).map(Out).ok_or_else(|| null(name))
            }
        }
    )+};
}

plain!(
    bool,
    u32,
    u64,
    i32,
    i64,
    usize,
    *const u8,
    *const u64,
    *const std::ffi::c_char,
    *const crate::bytes::raft_bytes,
    *const crate::entry::raft_hard_state,
    *const crate::conf_change::raft_conf_change_single,
    *const crate::node::raft_peer,
    *const crate::node::raft_commit_group,
    *const *mut crate::node::raft_node,
    *const crate::observe::raft_label,
    *mut u32,
    *mut crate::nodes::raft_node_failure,
    *mut *mut crate::conf_state::raft_conf_state,
    *mut crate::metrics::raft_metrics,
    *mut crate::node_status::raft_node_status,
    *mut crate::node_status::raft_progress,
    *mut crate::recording::raft_replay_report,
    *mut crate::storage::raft_recovery_report,
);
borrowed!(
    crate::config::raft_config,
    crate::event::raft_event,
    crate::node::raft_node,
    crate::observe::raft_exposition,
    crate::message::raft_message,
    crate::ready::raft_ready,
    crate::storage::raft_storage,
);
borrowed_to_change!(
    crate::config::raft_config,
    crate::node::raft_node,
    crate::observe::raft_exposition,
    crate::storage::raft_storage,
);
results!(
    bool,
    u64,
    i32,
    usize,
    crate::entry::raft_hard_state,
    crate::message::raft_message,
    *mut crate::bytes::raft_buffer,
    *mut crate::conf_change::raft_conf_change,
    *mut crate::config::raft_config,
    *mut crate::entry::raft_entries,
    *mut crate::node::raft_node,
    *mut crate::observe::raft_exposition,
    *mut crate::snapshot::raft_snapshot,
    *mut crate::storage::raft_storage,
    *const crate::ready::raft_ready,
    *const crate::requests::raft_requests,
);

impl Arg for *mut *mut raft_error {
    type Checked = ();
    unsafe fn check(self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a function that has no way to report a failure returns after a panic.
pub(crate) trait OnPanic {
    fn value() -> Self;
}

impl OnPanic for () {
    fn value() {}
}

impl OnPanic for u32 {
    fn value() -> u32 {
        0
    }
}

impl OnPanic for u64 {
    fn value() -> u64 {
        0
    }
}

impl OnPanic for i32 {
    fn value() -> i32 {
        RAFT_ERR_PANIC
    }
}

impl OnPanic for *const std::ffi::c_char {
    fn value() -> Self {
        c"".as_ptr()
    }
}

impl OnPanic for crate::bytes::raft_bytes {
    fn value() -> Self {
        Self::EMPTY
    }
}
