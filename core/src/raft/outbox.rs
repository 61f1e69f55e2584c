//! What is on its way out, collected until the host takes its Ready.

use bytes::Bytes;

use crate::event::Dropped;
use crate::message::{Body, Message};
use crate::types::{Index, NodeId, ReadRequest, ReadState, RequestId, SnapshotRequest, Term};

/// What is on its way out.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Outbox {
    /// May be sent at once, and come before `messages`: heartbeats and their answers, nearly always. In ten
    /// thousand groups that rest, each list of messages would be three more cache lines to fetch for a turn,
    /// and 224 bytes.
    brief: [Option<Brief>; 2],
    /// May be sent at once. The list that the Ready takes over as it is.
    pub(super) messages: Vec<Message>,
    /// Must not be sent before what it promises is on stable storage. With asynchronous storage
    /// writes, messages to the node itself are among these.
    pub after_append: Vec<Message>,
    /// Reads that may be served.
    pub read_states: Vec<ReadState>,
    /// None if there is nothing in it. Apart, so that a node that rests is small.
    rare: Option<Box<Rare>>,
    /// Places among the messages, in their order: how many come before, and the request whose answer
    /// leads to others. Whoever answers before taking the Ready sees them in the order in which they
    /// would come without a request.
    held: Vec<(usize, RequestId)>,
    /// What the node promises itself, if the host writes before it advances.
    pub to_self: OwnPromises,
}

/// A message that the node sends and that is made of numbers alone.
#[derive(Clone, Copy, Debug)]
struct Brief {
    to: NodeId,
    term: Term,
    what: BriefBody,
}

#[derive(Clone, Copy, Debug)]
enum BriefBody {
    Heartbeat { commit: Index },
    HeartbeatResp,
}

impl Brief {
    /// This message, if it is such a one.
    #[inline(always)]
    fn of(message: &Message) -> Option<Brief> {
        let what = match &message.body {
            Body::Heartbeat { commit, context } if context.is_empty() => {
                BriefBody::Heartbeat { commit: *commit }
            }
            Body::HeartbeatResp { context } if context.is_empty() => BriefBody::HeartbeatResp,
            _ => return None,
        };
        let (to, term) = (message.to, message.term);
        Some(Brief { to, term, what })
    }

    fn into_message(self, from: NodeId) -> Message {
        let context = Bytes::new();
        Message {
            to: self.to,
            from,
            term: self.term,
            body: match self.what {
                BriefBody::Heartbeat { commit } => Body::Heartbeat { commit, context },
                BriefBody::HeartbeatResp => Body::HeartbeatResp { context },
            },
        }
    }
}

/// Promises of a node to itself, its votes and acknowledgements, in the order in which they were made:
/// it may count on its own log and vote no earlier than others may.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct OwnPromises {
    /// The first one, if there is any. Nearly always it is the only one, and as a message like any other it
    /// would cost 300 instructions.
    first: Option<OwnPromise>,
    /// Those after it.
    others: Vec<OwnPromise>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPromise {
    /// The term of the message that it is.
    pub term: Term,
    /// What is promised.
    pub what: Promise,
}

/// What a node promises itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The log is on stable storage up to an index.
    Accept(Index),
    /// The node votes for itself.
    Vote {
        /// That it would, that is.
        pre: bool,
    },
}

impl OwnPromises {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Adds one.
    pub fn push(&mut self, promise: OwnPromise) {
        match self.first {
            None => self.first = Some(promise),
            Some(_) => self.others.push(promise),
        }
    }

    /// Takes the first one out. The others are to be taken next.
    pub fn take_first(&mut self) -> Option<OwnPromise> {
        self.first.take()
    }

    /// Takes the others out. The list keeps its room.
    pub fn drain_others(&mut self) -> impl Iterator<Item = OwnPromise> {
        self.others.drain(..)
    }

    /// Makes the last one, if it is an acknowledgement of this term, one of everything up to `index`.
    /// Returns whether it is.
    pub fn extend_accept(&mut self, of: Term, index: Index) -> bool {
        match self.others.last_mut().or(self.first.as_mut()) {
            Some(OwnPromise {
                term,
                what: Promise::Accept(accepted),
            }) if *term == of => {
                *accepted = index;
                true
            }
            _ => false,
        }
    }

    /// Moves those of another list here, where there are none.
    pub fn take(&mut self, from: &mut OwnPromises) {
        debug_assert!(self.is_empty());
        self.first = from.first.take();
        move_list(&mut from.others, &mut self.others);
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.first = None;
        self.others.clear();
    }
}

/// What seldom leaves a node.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// Requests for stored entries.
    pub reads: Vec<ReadRequest>,
    /// Requests for snapshots.
    pub snapshot_requests: Vec<SnapshotRequest>,
    /// What the host was told was taken and will not happen.
    pub dropped: Vec<Dropped>,
}

/// Messages that others are to be put before, with the places among them.
#[derive(Debug)]
pub struct Later {
    messages: Vec<Message>,
    held: Vec<(usize, RequestId)>,
}

impl Outbox {
    /// Whether there is nothing that makes a Ready.
    pub fn is_empty(&self) -> bool {
        self.brief[0].is_none()
            && self.messages.is_empty()
            && self.after_append.is_empty()
            && self.to_self.is_empty()
            && self.read_states.is_empty()
            && self.rare.is_none()
    }

    /// Whether something is asked for.
    pub fn has_requests(&self) -> bool {
        let asks = |rare: &Rare| !rare.reads.is_empty() || !rare.snapshot_requests.is_empty();
        self.rare.as_deref().is_some_and(asks)
    }

    /// What seldom leaves a node, for who adds something.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether there is any of that.
    pub fn has_rare(&self) -> bool {
        self.rare.is_some()
    }

    /// Takes that out, if there is any.
    pub fn take_rare(&mut self) -> Option<Box<Rare>> {
        self.rare.take()
    }

    /// Adds a message that may be sent at once.
    #[inline(always)]
    pub fn send(&mut self, message: Message) {
        if let Some(brief) = Brief::of(&message)
            && self.add_brief(brief)
        {
            return;
        }
        push_tightly(&mut self.messages, &mut self.after_append, message);
    }

    /// Adds a message that has to wait for what it promises.
    #[inline(always)]
    pub fn send_after_append(&mut self, message: Message) {
        push_tightly(&mut self.after_append, &mut self.messages, message);
    }

    /// Whether there was a place for it, before all other messages but those of its kind.
    fn add_brief(&mut self, brief: Brief) -> bool {
        let free = self.brief.iter_mut().find(|place| place.is_none());
        match free {
            Some(place) if self.messages.is_empty() && self.held.is_empty() => {
                *place = Some(brief);
                true
            }
            _ => false,
        }
    }

    /// Moves the messages that may be sent at once behind those in `to`, and then the others that do
    /// not go to the node itself, which is `from`. Lists change hands as wholes where they can: no message
    /// is moved, unless brief ones come before it.
    #[inline(always)]
    pub fn take_messages(&mut self, from: NodeId, to: &mut Vec<Message>) {
        if self.brief[0].is_some() {
            if to.capacity() == 0 {
                to.reserve_exact(self.brief.len());
            }
            let brief = self.brief.iter_mut().filter_map(Option::take);
            to.extend(brief.map(|brief| brief.into_message(from)));
        }
        if !self.held.is_empty() {
            self.held.clear();
        }
        move_list(&mut self.messages, to);
        move_list(&mut self.after_append, to);
    }

    /// How many things wait here besides messages that may be sent at once.
    pub fn others(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| {
            rare.reads.len() + rare.snapshot_requests.len() + rare.dropped.len()
        });
        self.held.len()
            + self.brief.iter().flatten().count()
            + self.after_append.len()
            + self.to_self.len()
            + self.read_states.len()
            + rare
    }

    /// Holds a place for what the answer to a request leads to.
    pub fn hold_place(&mut self, request: RequestId) {
        self.held.push((self.messages.len(), request));
    }

    /// Whether the place of a request is still there: the Ready with it has not been taken.
    pub fn holds_place(&self, request: RequestId) -> bool {
        self.held.iter().any(|&(_, id)| id == request)
    }

    /// Gives up the place of a request. Returns what comes after it, to be put back behind what the
    /// answer leads to; nothing if the Ready with that place has been taken.
    pub fn split_at_place(&mut self, request: RequestId) -> Later {
        let Some(number) = self.held.iter().position(|&(_, id)| id == request) else {
            return Later {
                messages: Vec::new(),
                held: Vec::new(),
            };
        };
        let mut held = self.held.split_off(number);
        let (place, _) = held.remove(0);
        for (before, _) in &mut held {
            *before -= place;
        }
        Later {
            messages: self.messages.split_off(place),
            held,
        }
    }

    /// Puts back what [`Outbox::split_at_place`] has given, behind what has been sent since.
    pub fn put_back(&mut self, later: Later) {
        let place = self.messages.len();
        self.messages.extend(later.messages);
        let held = later.held.into_iter();
        self.held
            .extend(held.map(|(before, id)| (place + before, id)));
    }
}

/// Adds to a list whose room begins with two: of many groups, each member mostly sends one
/// message or two at a time. `spare` is a list whose room serves as well: a node that rests has one room and
/// not two. Inlined with [`super::Core::send`], so that the message is written where it stays.
#[inline(always)]
fn push_tightly(list: &mut Vec<Message>, spare: &mut Vec<Message>, message: Message) {
    if list.len() == list.capacity() {
        make_room(list, spare);
    }
    list.push(message);
}

#[cold]
#[inline(never)]
fn make_room(list: &mut Vec<Message>, spare: &mut Vec<Message>) {
    if spare.is_empty() && spare.capacity() > list.len() {
        // Nearly always a node sends of one kind or the other.
        spare.append(list);
        std::mem::swap(list, spare);
    } else if list.capacity() == 0 {
        list.reserve_exact(2);
    }
}

/// Moves a list to the end of another one. Both keep room: that of either serves the other as well.
#[inline]
pub fn move_list<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    // Nearly always there is nothing, and it is cheaper to look than to swap.
    if from.is_empty() {
        return;
    }
    match to.is_empty() {
        true => std::mem::swap(from, to),
        false => to.append(from),
    }
}

#[cfg(test)]
mod tests;
