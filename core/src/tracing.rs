//! Events for those who log with the crate `tracing`; with the feature of that name.
//!
//! The core itself emits nothing and knows no subscriber: its host passes on what it finds in a
//! [`crate::Ready`].

use ::tracing::Level as TracingLevel;
use ::tracing::field::Value as Field;

use crate::describe::{Level, Value};
use crate::event::Event;
use crate::types::NodeId;

/// Emits what has happened in the node with this id as an event of the target `libraft`, for whatever
/// subscriber is there.
///
/// Its level is that of [`Event::level`], its message the line that [`Event`] prints as, and its fields
/// are `node`, `event` (the name) and those of the event under their own names: ids, terms, indexes and
/// counts as numbers, reasons and so on as text.
///
/// ```
/// # use libraft_core::{ConfState, Config, Node, RestartState};
/// # let conf_state = ConfState::of_voters([1]);
/// # let mut node = Node::new(Config::new(1), RestartState { conf_state, ..Default::default() })?;
/// node.campaign()?;
/// let ready = node.ready()?;
/// for event in &ready.events {
///     libraft_core::tracing::emit(1, event);
/// }
/// # Ok::<(), libraft_core::Error>(())
/// ```
pub fn emit(node: NodeId, event: &Event) {
    // A field that is None is left out, so that one place in the code serves all kinds of event.
    let field = |wanted: &str| {
        let mut found = None;
        event.visit(|name, value| {
            if name == wanted {
                found = Some(value);
            }
        });
        found
    };
    /// One call for each level: `tracing` wants to know it when this is compiled.
    macro_rules! emit_at {
        ($level:expr, $($name:ident),+) => {{
            if !::tracing::enabled!(target: "libraft", $level) {
                return;
            }
            $(let $name = field(stringify!($name));)+
            ::tracing::event!(
                target: "libraft",
                $level,
                node,
                event = event.name(),
                $($name = $name.as_ref().map(as_field),)+
                "{event}"
            );
        }};
    }
    macro_rules! emit {
        ($level:expr) => {
            emit_at!(
                $level, kind, reason, id, from, to, by, term, leader, granted, refused, index,
                as_of
            )
        };
    }
    match event.level() {
        Level::Debug => emit!(TracingLevel::DEBUG),
        Level::Info => emit!(TracingLevel::INFO),
        Level::Warn => emit!(TracingLevel::WARN),
    }
}

fn as_field(value: &Value) -> &dyn Field {
    match value {
        Value::Number(number) => number,
        Value::Word(word) => word,
    }
}

#[cfg(test)]
mod tests;
