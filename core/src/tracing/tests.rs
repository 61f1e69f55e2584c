//! What a subscriber of `tracing` gets to see.

use std::fmt::Debug;
use std::sync::{Arc, RwLock};

use ::tracing::field::{Field, Visit};
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Metadata, Subscriber};

use super::*;
use crate::describe::tests::one_of_each;

/// Writes down each event, with its fields but the message in front.
#[derive(Clone, Default)]
struct Lines(Arc<RwLock<Vec<String>>>, bool);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.1 || *metadata.level() <= TracingLevel::INFO
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &::tracing::Event<'_>) {
        let mut line = Line(Vec::new(), String::new());
        event.record(&mut line);
        let metadata = event.metadata();
        self.0.write().expect("nobody panics").push(format!(
            "{} {}: {} | {}",
            metadata.target(),
            metadata.level(),
            line.1,
            line.0.join(" ")
        ));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(Vec<String>, String);

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push(format!("{}={value}", field.name()));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        assert_eq!(field.name(), "message");
        self.1 = format!("{value:?}");
    }
}

#[test]
fn an_event_has_its_level_its_line_and_its_fields() {
    let lines = Lines(Arc::default(), true);
    let seen = Arc::clone(&lines.0);
    let events = one_of_each();
    ::tracing::subscriber::with_default(lines, || events.iter().for_each(|one| emit(9, one)));
    let seen = seen.read().expect("nobody panics");
    assert_eq!(seen.len(), events.len());
    for (line, event) in seen.iter().zip(&events) {
        let (head, fields) = line.split_once(" | ").expect("both are there");
        let level = event.level().name().to_uppercase();
        assert_eq!(head, format!("libraft {level}: {event}"));
        let mut wanted = Vec::new();
        event.visit(|name, value| {
            wanted.push(match value {
                Value::Number(number) => format!("{name}={number}"),
                Value::Word(word) => format!("{name}={word:?}"),
            });
        });
        wanted.extend(["node=9".to_owned(), format!("event={:?}", event.name())]);
        wanted.sort();
        let mut found: Vec<&str> = fields.split(' ').collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{event}");
    }
}

#[test]
fn what_nobody_listens_to_is_not_emitted() {
    let lines = Lines::default();
    let seen = Arc::clone(&lines.0);
    let events = one_of_each();
    ::tracing::subscriber::with_default(lines, || events.iter().for_each(|one| emit(9, one)));
    let wanted = events.iter().filter(|event| event.level() > Level::Debug);
    assert_eq!(seen.read().expect("nobody panics").len(), wanted.count());
}
