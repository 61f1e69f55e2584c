//! `Message`: what a transport needs to know of a message.

use std::mem::MaybeUninit;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raft::bytes::raft_bytes;
use raft::message::{raft_message, raft_message_decode};

use crate::call::{Failure, call};
use crate::input::Input;
use crate::parts::{self, Part, Reduced, list};

/// A message to a peer, or from one. Its length is that of its encoding.
///
/// Messages with the same encoding are equal. A pickled or copied one has its own bytes alone.
#[pyclass(frozen, module = "libraft")]
pub struct Message {
    whole: Py<PyBytes>,
    at: MessageAt,
}

/// A message, with its bytes as parts of a whole.
#[derive(Clone, Debug)]
pub struct MessageAt {
    to: u64,
    from: u64,
    term: u64,
    kind: i32,
    snapshot_index: u64,
    snapshot_data: Part,
    encoded: Part,
    /// Empty but for a storage's work, so that a copy of it allocates nothing.
    responses: Box<[MessageAt]>,
}

impl MessageAt {
    /// Where a message of the library lies within `whole`.
    ///
    /// # Safety
    /// Its list of responses is valid.
    pub unsafe fn of(message: &raft_message, whole: raft_bytes) -> Result<MessageAt, Failure> {
        // SAFETY: the same contract; responses have none of their own.
        let responses = unsafe {
            list(message.responses, message.responses_len)
                .iter()
                .map(|response| MessageAt::of(response, whole))
                .collect::<Result<_, Failure>>()?
        };
        Ok(MessageAt {
            responses,
            to: message.to,
            from: message.from,
            term: message.term,
            kind: message.r#type,
            snapshot_index: message.snapshot_index,
            snapshot_data: Part::of(message.snapshot_data, whole)?,
            encoded: Part::of(message.encoded, whole)?,
        })
    }
}

impl Message {
    /// All of `messages`, which lie in one whole.
    pub fn tuple(
        py: Python<'_>,
        whole: &Py<PyBytes>,
        messages: &[MessageAt],
    ) -> PyResult<Py<PyTuple>> {
        let messages = messages.iter().map(|at| Message {
            whole: whole.clone_ref(py),
            at: at.clone(),
        });
        Ok(PyTuple::new(py, messages)?.unbind())
    }
}

/// What a message is pickled as: its bytes, its row, and those of its responses.
type MessageState<'py> = (Bound<'py, PyBytes>, Row, Vec<Row>);

/// Recipient, sender, term, type, index of the snapshot; where the data of the snapshot, and where the
/// message itself, lie within the bytes.
type Row = ((u64, u64, u64, i32, u64), (usize, usize), (usize, usize));

impl MessageAt {
    fn row(&self, whole: Part) -> Row {
        (
            (
                self.to,
                self.from,
                self.term,
                self.kind,
                self.snapshot_index,
            ),
            self.snapshot_data.within(whole),
            self.encoded.within(whole),
        )
    }

    fn restored(row: Row, responses: Box<[MessageAt]>, whole: &[u8]) -> PyResult<MessageAt> {
        let ((to, from, term, kind, snapshot_index), snapshot_data, encoded) = row;
        Ok(MessageAt {
            to,
            from,
            term,
            kind,
            snapshot_index,
            snapshot_data: Part::restored(snapshot_data, whole)?,
            encoded: Part::restored(encoded, whole)?,
            responses,
        })
    }
}

/// Makes a message of what it was pickled as.
#[pyfunction]
#[pyo3(name = "_restore_message")]
pub fn restore_message(
    encoded: Bound<'_, PyBytes>,
    row: Row,
    responses: Vec<Row>,
) -> PyResult<Message> {
    let bytes = encoded.as_bytes();
    let restored = |row| MessageAt::restored(row, Box::default(), bytes);
    let responses = responses.into_iter().map(restored);
    Ok(Message {
        at: MessageAt::restored(row, responses.collect::<PyResult<_>>()?, bytes)?,
        whole: encoded.unbind(),
    })
}

#[pymethods]
impl Message {
    /// Looks into a message as it came from a peer, without handing it to a node.
    ///
    /// Raises MalformedMessage, ImpossibleMessage, LocalMessage.
    #[staticmethod]
    fn decode(data: Input<'_>) -> PyResult<Message> {
        let bytes = data.view();
        let whole = data.0;
        let mut out = MaybeUninit::uninit();
        // SAFETY: the bytes are alive and never change, and `out` has room for the result.
        call(|error| unsafe {
            raft_message_decode(bytes.data, bytes.len, out.as_mut_ptr(), error)
        })?;
        // SAFETY: a call that succeeds has written its result.
        let message = unsafe { out.assume_init() };
        Ok(Message {
            // SAFETY: the library has written its list, which is empty for a decoded message.
            at: unsafe { MessageAt::of(&message, bytes)? },
            whole: whole.unbind(),
        })
    }

    /// The recipient.
    #[getter]
    fn to(&self) -> u64 {
        self.at.to
    }

    /// The sender.
    #[getter]
    fn from_(&self) -> u64 {
        self.at.from
    }

    /// The sender's term; 0 in a message that is valid in any.
    #[getter]
    fn term(&self) -> u64 {
        self.at.term
    }

    /// What kind of message it is. A number that this version has no name for is a plain int.
    #[getter]
    fn r#type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parts::MESSAGE_TYPE.member(py, self.at.kind)
    }

    /// The index of the snapshot in a SNAP; 0 otherwise.
    #[getter]
    fn snapshot_index(&self) -> u64 {
        self.at.snapshot_index
    }

    /// The state machine's data in a SNAP, as a copy; empty otherwise.
    #[getter]
    fn snapshot_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.snapshot_data.bytes(py, &self.whole)
    }

    /// The whole message as raftpb.Message, to put on the wire, as a copy.
    #[getter]
    fn encoded<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.at.encoded.bytes(py, &self.whole)
    }

    /// The same without a copy. It keeps the whole batch that the message came with in memory.
    #[getter]
    fn encoded_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.at.encoded.view(py, &self.whole)
    }

    /// What to deliver once the work is done that a STORAGE_APPEND or STORAGE_APPLY asks for.
    ///
    /// Those to this node itself with `RawNode.step`, the others like any message. Empty for other types,
    /// and in a message that was decoded.
    #[getter]
    fn responses(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Message::tuple(py, &self.whole, &self.at.responses)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("type", "from_", "to", "term")
    }

    /// Pickles it with its own bytes alone; a copy is made of these as well.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, MessageState<'py>>> {
        let whole = self.at.encoded;
        let responses = self.at.responses.iter();
        let responses = responses.map(|response| response.row(whole)).collect();
        let state = (self.encoded(py), self.at.row(whole), responses);
        Ok((parts::again(py, "_restore_message")?, state))
    }

    fn __len__(&self) -> usize {
        self.at.encoded.len()
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Message>().is_ok_and(|other| {
            let other = other.get();
            self.at.encoded.slice(self.whole.bind(py))
                == other.at.encoded.slice(other.whole.bind(py))
        })
    }

    fn __hash__(&self) -> u64 {
        let MessageAt { to, from, term, .. } = self.at;
        [from, term, self.at.encoded.len() as u64]
            .iter()
            .fold(to, |hash, part| hash.wrapping_mul(31).wrapping_add(*part))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let kind = self.r#type(py)?.repr()?;
        Ok(format!(
            "<Message {kind} from {} to {} term={} of {} bytes>",
            self.at.from,
            self.at.to,
            self.at.term,
            self.at.encoded.len()
        ))
    }
}
