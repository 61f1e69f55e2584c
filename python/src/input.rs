//! What comes in: bytes from `bytes` and from whatever else has the buffer protocol, and numbers.

use std::fmt::Display;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyBufferError, PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySequence, PyString, PyTuple};
use raft::bytes::raft_bytes;

/// No bytes.
pub const NOTHING: raft_bytes = raft_bytes {
    data: std::ptr::null(),
    len: 0,
};

/// A bytes-like argument, held for the length of a call.
///
/// `bytes` never change, so they are looked at where they are. Everything else may be written to meanwhile,
/// by threads without the interpreter lock as well: a read into a `bytearray` lets go of it, and a mapping
/// may be shared with another process. So the interpreter makes `bytes` of it first, and what is looked at
/// is the copy.
pub struct Input<'py>(pub Bound<'py, PyBytes>);

impl<'py> FromPyObject<'_, 'py> for Input<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Input<'py>> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Input(bytes.to_owned()));
        }
        // Without the buffer protocol, PyBytes_FromObject would take any iterable of numbers.
        if !PyUntypedBuffer::get(&object)?.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "the bytes do not lie one after the other in memory: pass bytes(view) instead",
            ));
        }
        // SAFETY: the object is alive, and it gives a new reference or NULL and an exception.
        let copy = unsafe {
            Bound::from_owned_ptr_or_err(
                object.py(),
                pyo3::ffi::PyBytes_FromObject(object.as_ptr()),
            )?
        };
        Ok(Input(copy.cast_into::<PyBytes>()?))
    }
}

impl Input<'_> {
    /// A view for as long as this lives.
    pub fn view(&self) -> raft_bytes {
        let bytes = self.0.as_bytes();
        raft_bytes {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// A copy, for a call that is made without the interpreter lock.
    pub fn owned(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }
}

/// A list of bytes-like objects; one alone is a mistake, although its numbers could be taken for a list.
#[derive(Default)]
pub struct Inputs<'py>(pub Vec<Input<'py>>);

impl<'py> FromPyObject<'_, 'py> for Inputs<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Inputs<'py>> {
        let usual = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
        let alone = || object.is_instance_of::<PyString>() || PyUntypedBuffer::get(&object).is_ok();
        if !usual && (alone() || object.cast::<PySequence>().is_err()) {
            let given = object.get_type();
            return Err(PyTypeError::new_err(format!(
                "a list of bytes-like objects is needed, not {given}"
            )));
        }
        Ok(Inputs(object.extract()?))
    }
}

/// The number of one of several possibilities, of which Python has an enumeration.
#[derive(Clone, Copy)]
pub struct Choice(pub i32);

impl<'py> FromPyObject<'_, 'py> for Choice {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Choice> {
        object.extract().map(Choice).map_err(|_: PyErr| {
            let given = object.get_type();
            PyTypeError::new_err(format!(
                "a member of an enumeration of libraft, or its number, is needed, not {given}"
            ))
        })
    }
}

/// An unsigned number that the library takes. Python's have no end, and a sign.
#[derive(Clone, Copy)]
pub struct Number<T>(pub T);

/// A type of number, and its largest one.
pub trait Unsigned: Display + for<'py> FromPyObjectOwned<'py, Error = PyErr> {
    /// The largest one.
    const MAX: Self;
}

impl Unsigned for u32 {
    const MAX: u32 = u32::MAX;
}

impl Unsigned for u64 {
    const MAX: u64 = u64::MAX;
}

impl<'py, T: Unsigned> FromPyObject<'_, 'py> for Number<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Number<T>> {
        object.extract().map(Number).map_err(|error: PyErr| {
            let py = object.py();
            if error.is_instance_of::<PyOverflowError>(py) {
                let (most, given) = (T::MAX, shown(&object));
                PyOverflowError::new_err(format!(
                    "a number from 0 to {most} is needed, not {given}"
                ))
            } else if error.is_instance_of::<PyTypeError>(py) {
                let given = object.get_type();
                PyTypeError::new_err(format!("a whole number is needed, not {given}"))
            } else {
                error
            }
        })
    }
}

/// A number as text, which Python refuses for those of thousands of digits.
fn shown(number: &Borrowed<'_, '_, PyAny>) -> String {
    match number.repr() {
        Ok(text) => text.to_string(),
        Err(_) => "one with thousands of digits".to_owned(),
    }
}
