//! A node's recording: what its host does with it, and what a player has to know to stay within its
//! limits. What is written is decided in `recording`.

use bytes::Bytes;

use super::Node;
use crate::error::Error;
use crate::recording::{Answer, Call, Recorder, RecordingState, StopReason, Unencodable};

impl Node {
    /// How the recording of this node stands; see [`crate::recording`] for what that is, and
    /// [`crate::Config::record_bytes`] for how to have one.
    pub fn record_state(&self) -> RecordingState {
        let state = self.recorder().map(|recorder| recorder.state());
        state.unwrap_or_default()
    }

    /// How many bytes of the recording wait to be taken.
    pub fn recording_bytes(&self) -> usize {
        self.recorder().map_or(0, |recorder| recorder.len())
    }

    /// Takes what has been recorded since the last time. What is taken, one after the other, is one
    /// recording; the first part alone is one as well. Nothing if nothing is recorded.
    ///
    /// It may be taken from a node that is poisoned, and from one whose last call has panicked: that
    /// call is then the last one.
    pub fn record_take(&mut self) -> Bytes {
        let recorder = self.recorder_mut();
        recorder.map(|recorder| recorder.take()).unwrap_or_default()
    }

    /// Ends the recording; what has not been taken still can be.
    pub fn record_stop(&mut self) {
        if let Some(recorder) = self.recorder_mut() {
            recorder.stop(StopReason::Host);
        }
    }

    /// Puts a text into the recording, for who reads it: "here the disk was full". Nothing if nothing
    /// is recorded.
    pub fn record_note(&mut self, text: &str) {
        self.record(|| Call::Note(text.to_owned()));
    }

    /// For a layer that answers requests from a storage by itself: from here on, its host sees Readys
    /// without them.
    pub fn note_requests_hidden(&mut self) {
        self.record(|| Call::RequestsHidden(Default::default()));
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.unusual.get()?.recorder.as_ref()
    }

    #[inline(always)]
    fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        self.unusual.get_mut()?.recorder.as_mut()
    }

    /// Records what is no call with an outcome.
    pub(super) fn record(&mut self, call: impl FnOnce() -> Call) {
        if let Some(recorder) = self.recorder_mut() {
            recorder.begin(|| Ok(call()));
            recorder.end(0);
        }
    }

    /// A call is about to be made.
    pub(super) fn record_begin(&mut self, call: impl FnOnce() -> Result<Call, Unencodable>) {
        if let Some(recorder) = self.recorder_mut() {
            recorder.begin(call);
        }
    }

    /// It has returned.
    pub(super) fn record_end(&mut self, error: Option<&Error>) {
        if let Some(recorder) = self.recorder_mut() {
            recorder.end(error.map_or(0, Error::number));
        }
    }

    /// Records what the call that runs will give.
    #[inline]
    pub(super) fn record_answer(&mut self, answer: impl FnOnce() -> Answer) {
        if self.unusual.get().is_some() {
            self.record_given(answer);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_given(&mut self, answer: impl FnOnce() -> Answer) {
        if let Some(recorder) = self.recorder_mut() {
            recorder.answer(answer);
        }
    }

    /// Of messages and entries, how many places wait to be handed out, and how many more there may
    /// be after one more call. For a player, which has to stop in time; `counted` is what it has
    /// found before, so that not all of them are counted again.
    pub(crate) fn load(&self, counted: &mut Load) -> u64 {
        let messages = self.raft.queued_messages();
        if messages < counted.messages {
            *counted = Load::default();
        }
        counted.places += self.raft.queued_places(counted.messages);
        counted.messages = messages;
        counted.places + self.raft.places_to_come()
    }

    /// How many messages one tick can send at most; for a player, too.
    pub(crate) fn messages_of_a_tick(&self) -> u64 {
        self.raft.messages_of_a_tick()
    }
}

/// The messages in the outbox that have been counted, and their places.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    messages: usize,
    places: u64,
}
