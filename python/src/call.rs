//! Calls of the C interface, and what they say when they fail.

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use raft::error::{raft_error, raft_error_drop_reason, raft_error_free, raft_error_message};
use raft::status::{RAFT_ERR_MISUSE, RAFT_ERR_OTHER, RAFT_OK, raft_status};
use raft::version::{raft_abi_version, raft_version_string};

/// A call that failed, in a form that needs no interpreter.
pub struct Failure {
    status: raft_status,
    reason: i32,
    message: String,
}

/// Code -1 is this binding's own: the object has been closed.
const CLOSED: raft_status = -1;

impl Failure {
    /// The use of an object after its end.
    pub fn closed(what: &str) -> Failure {
        Failure {
            status: CLOSED,
            reason: 0,
            message: format!("the {what} is closed: make another one"),
        }
    }

    /// A call that does not fit the state of the object.
    pub fn misuse(message: &str) -> Failure {
        Failure {
            status: RAFT_ERR_MISUSE,
            reason: 0,
            message: message.to_owned(),
        }
    }

    /// The library said something that its interface excludes.
    pub fn unexpected(message: &str) -> Failure {
        Failure {
            status: RAFT_ERR_OTHER,
            reason: 0,
            message: message.to_owned(),
        }
    }
}

impl From<Failure> for PyErr {
    /// The exception that `libraft._errors` has for the code.
    fn from(failure: Failure) -> PyErr {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        Python::attach(|py| {
            let make = MAKE.import(py, "libraft._errors", "from_code");
            match make
                .and_then(|make| make.call1((failure.status, failure.reason, failure.message)))
            {
                Ok(exception) => PyErr::from_value(exception),
                Err(error) => error,
            }
        })
    }
}

/// Makes one call, which is given the place for its error.
pub fn call(run: impl FnOnce(*mut *mut raft_error) -> raft_status) -> Result<(), Failure> {
    let mut error: *mut raft_error = ptr::null_mut();
    let status = run(&raw mut error);
    if status == RAFT_OK {
        return Ok(());
    }
    // SAFETY: NULL, or an error that the call has just made for us; its message lives as long as
    // it does, and it is freed here, once, after the message was copied.
    let (reason, message) = unsafe {
        let reason = raft_error_drop_reason(error);
        let message = CStr::from_ptr(raft_error_message(error))
            .to_string_lossy()
            .into_owned();
        raft_error_free(error);
        (reason, message)
    };
    Err(Failure {
        status,
        reason,
        message,
    })
}

/// An object that the library made for us, freed when the last user lets go of it.
pub struct Handle<T> {
    object: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

// SAFETY: the interface lets every object move between threads, and freeing it happens once, when
// nobody uses it any more, since that is when a Rust value is dropped.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: the interface lets storages and configurations be shared, answers RAFT_ERR_MISUSE when
// two threads use one node at once, and changes nothing else once it is made.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Makes an object by a call that gives it through its last but one argument.
    pub fn make(
        free: unsafe extern "C" fn(*mut T),
        run: impl FnOnce(*mut *mut T, *mut *mut raft_error) -> raft_status,
    ) -> Result<Handle<T>, Failure> {
        let mut out: *mut T = ptr::null_mut();
        call(|error| run(&raw mut out, error))?;
        match NonNull::new(out) {
            Some(object) => Ok(Handle { object, free }),
            None => Err(Failure::unexpected("a call succeeded without a result")),
        }
    }

    /// For passing it to a call. It is alive as long as `self`.
    pub fn get(&self) -> *mut T {
        self.object.as_ptr()
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: made by the library for us, freed here only, and by its own function.
        unsafe { (self.free)(self.object.as_ptr()) }
    }
}

/// Locks a mutex. Nothing that is done under one of ours can leave the data half changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The version of the library.
pub fn version() -> String {
    // SAFETY: it gives a static string that ends with a zero byte.
    let text = unsafe { CStr::from_ptr(raft_version_string()) };
    text.to_string_lossy().into_owned()
}

/// The version of the binary interface.
pub fn abi_version() -> u32 {
    // SAFETY: it takes nothing and may be called at any time.
    unsafe { raft_abi_version() }
}
