//! Fields as only an enemy writes them: what the reader of hot messages takes, prost takes too, and
//! both read the same.
//!
//! Damaged bytes hardly ever are a message. So these are made of fields: in their order or any other,
//! more than once, with numbers longer than they need to be, of the wrong kind, with lengths that lie.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

/// A varint of at least its own length, made longer by a `padding` that says nothing.
fn varint(value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    if padding > 0 {
        *bytes.last_mut().expect("a varint has a byte") |= 0x80;
        bytes.extend(vec![0x80; padding - 1]);
        bytes.push(0);
    }
    bytes
}

/// Mostly none.
fn padding() -> impl Strategy<Value = usize> {
    prop_oneof![20 => Just(0), 1 => 1..10usize]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => 0..20u64,
        4 => Just(MAX_POSITION),
        1 => Just(MAX_POSITION + 1),
        1 => any::<u64>(),
    ]
}

/// A field with its number, key and value. `bytes` makes the value of those that have a length.
fn field<B: Strategy<Value = Vec<u8>>>(
    numbers: impl Strategy<Value = u64>,
    bytes: impl Fn(u64) -> B + 'static,
    is_bytes: impl Fn(u64) -> bool + 'static,
) -> impl Strategy<Value = (u64, Vec<u8>)> {
    let wrong_kind = prop_oneof![60 => Just(None), 1 => (0..8u64).prop_map(Some)];
    let lie = prop_oneof![60 => Just(0), 1 => -3..4i64];
    numbers.prop_flat_map(move |at| {
        let kind = if is_bytes(at) { 2 } else { 0 };
        let value = (number(), padding(), padding(), bytes(at));
        (value, wrong_kind.clone(), lie.clone()).prop_map(
            move |((number, in_key, in_value, bytes), wrong_kind, lie)| {
                let kind = wrong_kind.unwrap_or(kind);
                let mut field = varint(at << 3 | kind, in_key);
                match kind {
                    0 => field.extend(varint(number, in_value)),
                    1 => field.extend(number.to_le_bytes()),
                    2 => {
                        let len = (bytes.len() as u64).saturating_add_signed(lie);
                        field.extend(varint(len, in_value));
                        field.extend(bytes);
                    }
                    5 => field.extend((number as u32).to_le_bytes()),
                    _ => {}
                }
                (at, field)
            },
        )
    })
}

/// Fields one after the other, mostly in the order of their numbers and each once.
fn joined(fields: impl Strategy<Value = Vec<(u64, Vec<u8>)>>) -> impl Strategy<Value = Vec<u8>> {
    (fields, 0..8u8).prop_map(|(mut fields, disorder)| {
        if disorder > 0 {
            fields.sort_by_key(|(at, _)| *at);
        }
        if disorder > 1 {
            fields.dedup_by_key(|(at, _)| *at);
        }
        fields.into_iter().flat_map(|(_, bytes)| bytes).collect()
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..6)
}

fn entry() -> impl Strategy<Value = Vec<u8>> {
    let numbers = prop_oneof![30 => 1..5u64, 1 => 5..8u64];
    let field = field(numbers, |_| payload(), |at| at == 4);
    joined(proptest::collection::vec(field, 0..5))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    // What the reader knows: an append, a heartbeat, and their answers.
    let kind = prop_oneof![30 => prop::sample::select(vec![3, 4, 8, 9]), 1 => 0..30u64];
    let numbers = prop_oneof![30 => 2..9u64, 10 => 10..13u64, 1 => 9..110u64];
    let bytes = |at| match at {
        7 => entry().boxed(),
        _ => payload().boxed(),
    };
    let others = field(numbers, bytes, |at| matches!(at, 7 | 9 | 12 | 14 | 102));
    let fields = (kind, proptest::collection::vec(others, 0..12));
    joined(fields.prop_map(|(kind, mut fields)| {
        fields.push((1, [varint(1 << 3, 0), varint(kind, 0)].concat()));
        fields
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_message_of_any_fields_is_read_as_prost_reads_it(bytes in message()) {
        let bytes = Bytes::from(bytes);
        let read = hot::read(&bytes, &mut hot::Shared(&bytes));
        let mut block = PayloadBlock::default();
        prop_assert_eq!(&hot::read(&bytes, &mut block), &read);
        prop_assert_eq!(decode_message_copied(&bytes), decode_message(bytes.clone()));
        if let Some(read) = read {
            prop_assert_eq!(pb::Message::decode(bytes).map(message_from_proto), Ok(Ok(read)));
        }
    }

    #[test]
    fn an_entry_of_any_fields_is_read_as_prost_reads_it(bytes in entry()) {
        let bytes = Bytes::from(bytes);
        if let Some(read) = hot::read_entry(&bytes) {
            prop_assert_eq!(pb::Entry::decode(bytes).map(entry_from_proto), Ok(Ok(read)));
        }
    }
}

/// Or else nothing is compared above.
#[test]
fn many_of_these_messages_are_hot_ones() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut hot = 0;
    for _ in 0..1000 {
        let tree = message()
            .new_tree(&mut runner)
            .expect("nothing is rejected");
        let bytes = Bytes::from(tree.current());
        hot += usize::from(hot::read(&bytes, &mut hot::Shared(&bytes)).is_some());
    }
    assert!(hot > 50, "{hot} of 1000");
}
