//! Bytes that come in: from `bytes`, and from whatever else has the buffer protocol.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raft::bytes::raft_bytes;

/// No bytes.
pub const NOTHING: raft_bytes = raft_bytes {
    data: std::ptr::null(),
    len: 0,
};

/// A bytes-like argument, held for the length of a call.
///
/// The view of it may be used while the interpreter lock is held: nobody can then write to the
/// memory of a `bytearray` that stands behind it. Whoever releases the lock takes [`Input::owned`].
pub enum Input<'py> {
    /// The usual case, and the fast one.
    Bytes(Bound<'py, PyBytes>),
    /// A bytearray, a memoryview, an array.
    Buffer(PyBuffer<u8>),
}

impl<'py> FromPyObject<'_, 'py> for Input<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Input<'py>> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Input::Bytes(bytes.to_owned()));
        }
        let buffer = PyBuffer::<u8>::get(&object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not contiguous"));
        }
        Ok(Input::Buffer(buffer))
    }
}

impl Input<'_> {
    /// A view for a call that is made while the interpreter lock is held.
    pub fn view(&self) -> raft_bytes {
        match self {
            Input::Bytes(bytes) => raft_bytes {
                data: bytes.as_bytes().as_ptr(),
                len: bytes.as_bytes().len(),
            },
            Input::Buffer(buffer) => raft_bytes {
                data: buffer.buf_ptr().cast(),
                len: buffer.len_bytes(),
            },
        }
    }

    /// A copy, for a call that is made without the interpreter lock.
    pub fn owned(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        match self {
            Input::Bytes(bytes) => Ok(bytes.as_bytes().to_vec()),
            Input::Buffer(buffer) => buffer.to_vec(py),
        }
    }
}
