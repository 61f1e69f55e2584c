//! The outbox beside plain lists: what comes out, and in which order.

use proptest::prelude::*;

use super::super::promises::Promise;
use super::*;

const OWN: NodeId = 9;

/// What may happen. Messages are told apart by their recipient.
#[derive(Clone, Debug)]
enum Step {
    /// A heartbeat, its answer, either with a context, or something else.
    Send(u8),
    SendAfterAppend,
    /// With asynchronous storage writes these go out by themselves.
    TakeAfterAppend,
    /// What makes a Ready and is no message.
    ReadState,
    Promise,
    Request,
    /// The host asks for requests alone.
    TakeRequests,
    HoldPlace,
    /// The request of one of the places is answered, which leads to so many messages.
    Answer(usize, Vec<u8>),
    Take,
    /// As one who looks at what he would take.
    Peek,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let kind = || 0..5u8;
    let step = prop_oneof![
        8 => kind().prop_map(Send),
        2 => Just(SendAfterAppend),
        1 => Just(TakeAfterAppend),
        1 => Just(ReadState),
        1 => Just(Promise),
        1 => Just(Request),
        1 => Just(TakeRequests),
        2 => Just(HoldPlace),
        2 => (0..4usize, proptest::collection::vec(kind(), 0..3)).prop_map(|(at, sent)| Answer(at, sent)),
        3 => Just(Take),
        1 => Just(Peek),
    ];
    proptest::collection::vec(step, 1..40)
}

fn message(to: NodeId, kind: u8) -> Message {
    let context = Bytes::from(vec![kind; usize::from(kind >= 2)]);
    let body = match kind {
        0 | 2 => Body::Heartbeat {
            commit: to + 100,
            context,
        },
        1 | 3 => Body::HeartbeatResp { context },
        _ => Body::Accept { index: to },
    };
    let from = OWN;
    Message {
        to,
        from,
        // Now and then it is another one than that of the message before.
        term: 3 + to / 4,
        body,
    }
}

/// The definition: everything is in lists.
#[derive(Clone, Default)]
struct Model {
    messages: Vec<Message>,
    after_append: Vec<Message>,
    held: Vec<(usize, RequestId)>,
    read_states: Vec<ReadState>,
    reads: Vec<ReadRequest>,
    promises: usize,
}

impl Model {
    fn is_empty(&self) -> bool {
        let messages = self.messages.len() + self.after_append.len();
        messages + self.read_states.len() + self.reads.len() + self.promises == 0
    }

    /// What becomes of it in a Ready.
    fn take(&mut self) -> Ready {
        let all = std::mem::take(self);
        Ready {
            messages: [all.messages, all.after_append].concat(),
            read_states: all.read_states,
            reads: all.reads,
            ..Ready::default()
        }
    }
}

/// As a Ready is made: promises first. Returns how many there were.
fn take_all(outbox: &mut Outbox, ready: &mut Ready) -> usize {
    let promises = outbox.own_promises().map_or(0, |own| {
        let mut taken = OwnPromises::default();
        taken.take(own);
        taken.len()
    });
    outbox.hand_over(OWN, ready);
    promises
}

proptest! {
    #[test]
    fn messages_leave_in_the_order_of_plain_lists(steps in steps()) {
        let (mut outbox, mut model) = (Outbox::default(), Model::default());
        let mut next = 0;
        let mut number = || {
            next += 1;
            next
        };
        let mut ready = Ready::default();
        for step in steps {
            match step {
                Step::Send(kind) => {
                    let message = message(number(), kind);
                    outbox.send(message.clone());
                    model.messages.push(message);
                }
                Step::SendAfterAppend => {
                    let message = message(number(), 4);
                    outbox.send_after_append(message.clone());
                    model.after_append.push(message);
                }
                Step::HoldPlace => {
                    let id = number();
                    outbox.hold_place(id);
                    model.held.push((model.messages.len(), id));
                }
                Step::Answer(at, sent) => {
                    let Some(&(place, id)) = model.held.get(at) else {
                        continue;
                    };
                    let later = outbox.split_at_place(id);
                    let after = model.messages.split_off(place);
                    for kind in sent {
                        let message = message(number(), kind);
                        outbox.send(message.clone());
                        model.messages.push(message);
                    }
                    let more = model.messages.len() - place;
                    model.messages.extend(after);
                    model.held.remove(at);
                    for (before, _) in &mut model.held[at..] {
                        *before += more;
                    }
                    outbox.put_back(later);
                }
                Step::TakeAfterAppend => {
                    let taken = std::mem::take(&mut model.after_append);
                    prop_assert_eq!(outbox.take_after_append(), taken);
                }
                Step::ReadState => {
                    let state = ReadState { index: number(), context: Bytes::new() };
                    outbox.push_read_state(state.clone());
                    model.read_states.push(state);
                }
                Step::Promise => {
                    let what = Promise::Accept(number());
                    outbox.promise_self(OwnPromise { term: 3, what });
                    model.promises += 1;
                }
                Step::Request => {
                    let id = number();
                    let read = ReadRequest { id, low: 1, high: 2, max_bytes: 3 };
                    outbox.rare().reads.push(read);
                    model.reads.push(read);
                }
                Step::TakeRequests => {
                    let taken = outbox.take_rare().map_or_else(Vec::new, |rare| rare.reads);
                    prop_assert_eq!(taken, std::mem::take(&mut model.reads));
                }
                Step::Take => {
                    let places = model.held.clone();
                    ready.clear();
                    let promises = std::mem::take(&mut model.promises);
                    prop_assert_eq!(take_all(&mut outbox, &mut ready), promises);
                    prop_assert_eq!(&ready, &model.take());
                    prop_assert!(outbox.is_empty());
                    prop_assert!(places.iter().all(|&(_, id)| !outbox.holds_place(id)));
                }
                Step::Peek => {
                    let mut seen = Ready::default();
                    let promises = take_all(&mut outbox.clone(), &mut seen);
                    prop_assert_eq!(promises, model.promises);
                    prop_assert_eq!(seen, model.clone().take());
                }
            }
            prop_assert_eq!(outbox.is_empty(), model.is_empty());
            prop_assert_eq!(outbox.has_requests(), !model.reads.is_empty());
            prop_assert!(model.held.iter().all(|&(_, id)| outbox.holds_place(id)));
        }
    }
}

#[test]
fn two_heartbeats_take_no_list_until_a_ready_does() {
    let mut outbox = Outbox::default();
    outbox.send(message(1, 0));
    outbox.send(message(2, 1));
    assert!(outbox.lists.get().is_none() && outbox.others() == 2);
    outbox.send(message(3, 0));
    assert_eq!(outbox.messages(), [message(3, 0)]);
    let mut ready = Ready::default();
    assert!(!outbox.hand_over(OWN, &mut ready));
    let sent = [message(1, 0), message(2, 1), message(3, 0)];
    assert_eq!(ready.messages, sent);
}

#[test]
fn brief_messages_of_two_terms_keep_theirs_and_their_order() {
    let mut outbox = Outbox::default();
    let sent = [message(3, 0), message(4, 1), message(3, 1)];
    assert_ne!(sent[0].term, sent[1].term);
    for message in &sent {
        outbox.send(message.clone());
    }
    assert_eq!(outbox.messages(), &sent[1..]);
    let mut ready = Ready::default();
    outbox.hand_over(OWN, &mut ready);
    assert_eq!(ready.messages, sent);
}

#[test]
fn lists_are_given_back_when_nothing_but_heartbeats_leaves() {
    let mut outbox = Outbox::default();
    let mut ready = Ready::default();
    outbox.send(message(1, 4));
    assert!(!outbox.hand_over(OWN, &mut ready));
    assert!(outbox.lists.get().is_some(), "more of the kind may come");
    for (came_to_rest, number) in [(false, 2), (true, 3), (false, 4)] {
        ready.clear();
        outbox.send(message(number, 0));
        assert_eq!(outbox.hand_over(OWN, &mut ready), came_to_rest);
        assert_eq!(outbox.lists.get().is_none(), number > 2);
    }
    // What makes no Ready by itself is in the way as well, and is gone with one.
    outbox.hold_place(7);
    outbox.send(message(4, 0));
    assert!(!outbox.hand_over(OWN, &mut ready) && !outbox.holds_place(7));
    let context = Bytes::new();
    outbox.push_read_state(ReadState { index: 1, context });
    outbox.send(message(5, 0));
    assert!(!outbox.hand_over(OWN, &mut ready) && ready.read_states.len() == 1);
    // So is what leaves by itself.
    outbox.send(message(6, 0));
    assert!(!outbox.hand_over(OWN, &mut ready));
    outbox.send_after_append(message(7, 4));
    assert_eq!(outbox.take_after_append(), [message(7, 4)]);
    outbox.send(message(8, 0));
    assert!(!outbox.hand_over(OWN, &mut ready));
    outbox.send(message(9, 0));
    assert!(outbox.hand_over(OWN, &mut ready));
}
