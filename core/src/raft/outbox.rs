//! What is on its way out, collected until the host takes its Ready.

use bytes::Bytes;

use super::promises::{OwnPromise, OwnPromises};
use crate::boxed::Boxed;
use crate::event::Dropped;
use crate::message::{Body, Message};
use crate::ready::Ready;
use crate::types::{Index, NodeId, ReadRequest, ReadState, RequestId, SnapshotRequest, Term};

/// What is on its way out.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Outbox {
    /// May be sent at once, and come before `messages`: heartbeats and their answers, nearly always. In ten
    /// thousand groups that rest, each list of messages would be three more cache lines to fetch for a turn.
    brief: Briefs,
    /// Whether term, vote, leader or role may be other than what the last Ready has shown. Nearly always not, and
    /// then nobody has to compare them, which is a cache line less and 10 instructions for each look.
    pub states_moved: bool,
    /// Whether there is anything in `lists` that makes a Ready: to look there would be a line more to fetch
    /// each time.
    listed: bool,
    /// Whether the last Ready had brief messages alone. It decides about memory, and nothing else.
    brief_before: bool,
    /// All that takes a list. A node that rests has none, which is 100 bytes less and the room of two messages.
    lists: Boxed<Lists>,
}

/// What takes a list to wait in.
#[derive(Clone, Debug, Default)]
struct Lists {
    /// May be sent at once. The list that the Ready takes over as it is.
    messages: Vec<Message>,
    /// Must not be sent before what it promises is on stable storage. With asynchronous storage
    /// writes, messages to the node itself are among these.
    after_append: Vec<Message>,
    /// Reads that may be served.
    read_states: Vec<ReadState>,
    /// None if there is nothing in it.
    rare: Option<Box<Rare>>,
    /// What the node promises itself, if the host writes before it advances.
    to_self: OwnPromises,
    /// Places among the messages, in their order: how many come before, and the request whose answer
    /// leads to others. Whoever answers before taking the Ready sees them in the order in which they
    /// would come without a request.
    held: Vec<(usize, RequestId)>,
}

/// One of the lists of messages.
#[derive(Clone, Copy, Debug)]
enum Which {
    Now,
    AfterAppend,
}

impl Lists {
    #[inline(always)]
    fn of(&mut self, which: Which) -> &mut Vec<Message> {
        match which {
            Which::Now => &mut self.messages,
            Which::AfterAppend => &mut self.after_append,
        }
    }

    /// Whether there is nothing that makes a Ready.
    fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.after_append.is_empty()
            && self.read_states.is_empty()
            && self.to_self.is_empty()
            && self.rare.is_none()
    }
}

/// Up to two messages that are made of numbers alone, of one term.
// By field, which is half of what two messages would take.
#[derive(Clone, Debug, Default)]
#[repr(C)]
struct Briefs {
    to: [NodeId; 2],
    /// Of a heartbeat.
    commit: [Index; 2],
    term: Term,
    /// The first is there if the second is.
    kinds: [Option<BriefKind>; 2],
}

#[derive(Clone, Copy, Debug)]
enum BriefKind {
    Heartbeat,
    HeartbeatResp,
}

impl Briefs {
    fn is_empty(&self) -> bool {
        self.kinds[0].is_none()
    }

    fn count(&self) -> usize {
        self.kinds.iter().flatten().count()
    }

    /// Adds this message, if it is such a one and there is room.
    #[inline(always)]
    fn add(&mut self, message: &Message) -> bool {
        let (kind, commit) = match &message.body {
            Body::Heartbeat { commit, context } if context.is_empty() => {
                (BriefKind::Heartbeat, *commit)
            }
            Body::HeartbeatResp { context } if context.is_empty() => (BriefKind::HeartbeatResp, 0),
            _ => return false,
        };
        let place = self.count();
        if place == self.kinds.len() || (place > 0 && self.term != message.term) {
            return false;
        }
        self.to[place] = message.to;
        self.commit[place] = commit;
        self.term = message.term;
        self.kinds[place] = Some(kind);
        true
    }

    /// Takes them out, as messages that this node sends.
    #[inline(always)]
    fn hand_over(&mut self, from: NodeId, messages: &mut Vec<Message>) {
        if messages.capacity() == 0 {
            messages.reserve_exact(self.kinds.len());
        }
        for place in 0..self.kinds.len() {
            let (context, commit) = (Bytes::new(), self.commit[place]);
            let body = match self.kinds[place] {
                Some(BriefKind::Heartbeat) => Body::Heartbeat { commit, context },
                Some(BriefKind::HeartbeatResp) => Body::HeartbeatResp { context },
                None => break,
            };
            let (to, term) = (self.to[place], self.term);
            messages.push(Message {
                to,
                from,
                term,
                body,
            });
        }
        // All of it, so that nodes that are alike are equal.
        *self = Briefs::default();
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

impl Rare {
    /// Out of the way of what most Readys have.
    #[cold]
    #[inline(never)]
    fn hand_over(self, ready: &mut Ready) {
        ready.reads = self.reads;
        ready.snapshot_requests = self.snapshot_requests;
        ready.dropped = self.dropped;
    }
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
        debug_assert_eq!(
            self.listed,
            self.lists.get().is_some_and(|lists| !lists.is_empty())
        );
        self.brief.is_empty() && !self.listed
    }

    /// To be called when something has been taken out of the lists.
    fn look_into_lists(&mut self) {
        self.listed = self.lists.get().is_some_and(|lists| !lists.is_empty());
    }

    /// The messages that may be sent at once, but for brief ones.
    pub fn messages(&self) -> &[Message] {
        self.lists.get().map_or(&[], |lists| &lists.messages)
    }

    /// Whether something is asked for.
    #[inline]
    pub fn has_requests(&self) -> bool {
        let asks = |rare: &Rare| !rare.reads.is_empty() || !rare.snapshot_requests.is_empty();
        let lists = self.lists.get().filter(|_| self.listed);
        let rare = lists.and_then(|lists| lists.rare.as_deref());
        rare.is_some_and(asks)
    }

    /// Adds a promise of the node to itself.
    #[inline]
    pub fn promise_self(&mut self, promise: OwnPromise) {
        self.listed = true;
        self.lists.make().to_self.push(promise);
    }

    /// See [`OwnPromises::extend_accept`].
    #[inline]
    pub fn extend_own_accept(&mut self, of: Term, index: Index) -> bool {
        let lists = self.lists.get_mut();
        lists.is_some_and(|lists| lists.to_self.extend_accept(of, index))
    }

    /// The promises of the node to itself, if there are any: they are to be taken before all else is handed over.
    #[inline]
    pub fn own_promises(&mut self) -> Option<&mut OwnPromises> {
        let lists = self.lists.get_mut().filter(|_| self.listed)?;
        (!lists.to_self.is_empty()).then_some(&mut lists.to_self)
    }

    /// What seldom leaves a node, for who adds something.
    pub fn rare(&mut self) -> &mut Rare {
        self.listed = true;
        self.lists.make().rare.get_or_insert_default()
    }

    /// Takes that out, if there is any.
    pub fn take_rare(&mut self) -> Option<Box<Rare>> {
        let rare = self.lists.get_mut().filter(|_| self.listed)?.rare.take()?;
        self.look_into_lists();
        Some(rare)
    }

    /// Adds a read that may be served.
    pub fn push_read_state(&mut self, state: ReadState) {
        self.listed = true;
        self.lists.make().read_states.push(state);
    }

    /// Whether there is room for anything but brief messages.
    #[cfg(test)]
    pub fn has_lists(&self) -> bool {
        self.lists.get().is_some()
    }

    /// The reads that may be served.
    #[cfg(test)]
    pub fn read_states(&self) -> &[ReadState] {
        self.lists.get().map_or(&[], |lists| &lists.read_states)
    }

    /// The last message that has to wait for what it promises, to be changed.
    pub fn last_after_append(&mut self) -> Option<&mut Message> {
        self.lists.get_mut()?.after_append.last_mut()
    }

    /// Adds a message that may be sent at once.
    #[inline(always)]
    pub fn send(&mut self, message: Message) {
        if self.add_brief(&message) {
            // All that there is to drop. By way of what drops any body it is 25 instructions more.
            match message.body {
                Body::Heartbeat { context, .. } | Body::HeartbeatResp { context } => drop(context),
                other => drop(other),
            }
            return;
        }
        self.listed = true;
        push_tightly(&mut self.lists, Which::Now, message);
    }

    /// Adds a message that has to wait for what it promises.
    #[inline(always)]
    pub fn send_after_append(&mut self, message: Message) {
        self.listed = true;
        push_tightly(&mut self.lists, Which::AfterAppend, message);
    }

    /// Whether it is a brief one, and there was a place for it before all other messages but those of its kind.
    #[inline(always)]
    fn add_brief(&mut self, message: &Message) -> bool {
        let none_before = |lists: &Lists| lists.messages.is_empty() && lists.held.is_empty();
        self.lists.get().is_none_or(none_before) && self.brief.add(message)
    }

    /// Hands over all that waits, but for what the node promises itself: first the messages that may be sent
    /// at once, then the others; `ready` may have some already. Lists change hands as wholes where they can: no
    /// message is moved, unless brief ones come before it.
    ///
    /// Returns whether the node, which is `from`, has come to rest with this: brief messages are all that it
    /// has sent twice in a row, and there are lists. Their memory is given back then. Not the first time: a group
    /// that takes a proposal between any two heartbeats would get it anew for each.
    #[inline(always)]
    pub fn hand_over(&mut self, from: NodeId, ready: &mut Ready) -> bool {
        if !self.brief.is_empty() {
            return self.hand_over_brief(from, ready);
        }
        self.brief_before = false;
        self.hand_over_lists(ready);
        false
    }

    /// The same if there are brief messages. Apart, so that those who have none keep the registers.
    #[inline(never)]
    fn hand_over_brief(&mut self, from: NodeId, ready: &mut Ready) -> bool {
        self.brief.hand_over(from, &mut ready.messages);
        if self.listed {
            self.brief_before = false;
            self.hand_over_lists(ready);
            return false;
        }
        let comes_to_rest = self.brief_before && self.lists.get().is_some();
        self.brief_before = true;
        if comes_to_rest {
            self.lists.free();
        } else if let Some(lists) = self.lists.get_mut() {
            // There are no places any more in what is taken.
            lists.held.clear();
        }
        comes_to_rest
    }

    #[inline(always)]
    fn hand_over_lists(&mut self, ready: &mut Ready) {
        let Some(lists) = self.lists.get_mut() else {
            return;
        };
        if !lists.held.is_empty() {
            lists.held.clear();
        }
        if !self.listed {
            return;
        }
        debug_assert!(lists.to_self.is_empty(), "promises are taken first");
        self.listed = false;
        if let Some(rare) = lists.rare.take() {
            rare.hand_over(ready);
        }
        move_list(&mut lists.read_states, &mut ready.read_states);
        move_list(&mut lists.messages, &mut ready.messages);
        move_list(&mut lists.after_append, &mut ready.messages);
    }

    /// Takes out the messages that have to wait for what they promise, and those to the node itself.
    pub fn take_after_append(&mut self) -> Vec<Message> {
        let lists = self.lists.get_mut();
        let taken = lists.map_or_else(Vec::new, |lists| std::mem::take(&mut lists.after_append));
        self.look_into_lists();
        // What is taken goes out with the next Ready, which so has more than brief messages.
        self.brief_before &= taken.is_empty();
        taken
    }

    /// How many things wait here besides what is in the list of messages that may be sent at once.
    pub fn others(&self) -> usize {
        let lists = self.lists.get().map_or(0, |lists| {
            let rare = lists.rare.as_ref().map_or(0, |rare| {
                rare.reads.len() + rare.snapshot_requests.len() + rare.dropped.len()
            });
            let promises = lists.to_self.len();
            let after_append = lists.after_append.len();
            lists.held.len() + after_append + promises + lists.read_states.len() + rare
        });
        self.brief.count() + lists
    }

    /// Holds a place for what the answer to a request leads to.
    pub fn hold_place(&mut self, request: RequestId) {
        let lists = self.lists.make();
        lists.held.push((lists.messages.len(), request));
    }

    /// Whether the place of a request is still there: the Ready with it has not been taken.
    pub fn holds_place(&self, request: RequestId) -> bool {
        let mut lists = self.lists.get().into_iter();
        lists.any(|lists| lists.held.iter().any(|&(_, id)| id == request))
    }

    /// Gives up the place of a request. Returns what comes after it, to be put back behind what the
    /// answer leads to; nothing if the Ready with that place has been taken.
    pub fn split_at_place(&mut self, request: RequestId) -> Later {
        let lists = self.lists.make();
        let Some(number) = lists.held.iter().position(|&(_, id)| id == request) else {
            return Later {
                messages: Vec::new(),
                held: Vec::new(),
            };
        };
        let mut held = lists.held.split_off(number);
        let (place, _) = held.remove(0);
        for (before, _) in &mut held {
            *before -= place;
        }
        let messages = lists.messages.split_off(place);
        self.look_into_lists();
        Later { messages, held }
    }

    /// Puts back what [`Outbox::split_at_place`] has given, behind what has been sent since.
    pub fn put_back(&mut self, later: Later) {
        let lists = self.lists.make();
        let place = lists.messages.len();
        lists.messages.extend(later.messages);
        let held = later.held.into_iter();
        lists
            .held
            .extend(held.map(|(before, id)| (place + before, id)));
        self.look_into_lists();
    }
}

/// Adds to one of the lists. Inlined with [`super::Core::send`], so that the message is written where it stays.
#[inline(always)]
fn push_tightly(lists: &mut Boxed<Lists>, which: Which, message: Message) {
    if let Some(lists) = lists.get_mut()
        && let list = lists.of(which)
        && list.len() < list.capacity()
    {
        list.push(message);
    } else {
        push_into_new_room(lists, which, message);
    }
}

/// Room begins with two: of many groups, each member mostly sends one message or two at a time. The room of
/// the other list serves as well: nearly always a node sends of one kind or the other.
#[cold]
#[inline(never)]
fn push_into_new_room(lists: &mut Boxed<Lists>, which: Which, message: Message) {
    let lists = lists.make();
    let (list, spare) = match which {
        Which::Now => (&mut lists.messages, &mut lists.after_append),
        Which::AfterAppend => (&mut lists.after_append, &mut lists.messages),
    };
    if spare.is_empty() && spare.capacity() > list.len() {
        spare.append(list);
        std::mem::swap(list, spare);
    } else if list.capacity() == 0 {
        list.reserve_exact(2);
    }
    list.push(message);
}

/// Moves a list to the end of another one. Both keep room: that of either serves the other as well.
#[inline]
fn move_list<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
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
