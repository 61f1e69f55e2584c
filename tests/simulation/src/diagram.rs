//! Draws a run as one HTML file that needs no network: a space-time diagram in which each node is a
//! lane, time runs downwards by event numbers, messages are arrows, and colours are roles.
//!
//! The file carries the run as data; a short script in `diagram.html` draws it.

use std::fmt::Write;

use crate::plan::Plan;
use crate::run::Outcome;
use crate::trace::Trace;

const PAGE: &str = include_str!("diagram.html");

/// The last `last` events of a run, as a page.
pub fn draw(plan: &Plan, last: u64, outcome: &Outcome) -> String {
    let empty = Trace::default();
    let trace = outcome.trace.as_deref().unwrap_or(&empty);
    let end = outcome.events + 1;
    let first = end.saturating_sub(last);
    let mut data = String::from("{");
    let title = format!("Seed {}", plan.seed);
    field(&mut data, "title", &quoted(&title));
    field(&mut data, "plan", &quoted(&plan.summary()));
    let violation = outcome.violation.as_ref();
    let text = violation.map_or(String::new(), ToString::to_string);
    field(&mut data, "violation", &quoted(&text));
    let by = violation.map_or(0, |violation| violation.node);
    field(&mut data, "violator", &by.to_string());
    field(&mut data, "nodes", &outcome.nodes.to_string());
    field(&mut data, "first", &first.to_string());
    field(&mut data, "end", &end.to_string());

    let arrows = trace
        .arrows
        .iter()
        .filter(|arrow| arrow.arrived_at >= first)
        .map(|arrow| {
            let (from, to) = (arrow.from, arrow.to);
            let (sent, arrived, lost) = (arrow.sent_at, arrow.arrived_at, u8::from(arrow.lost));
            let (kind, text) = (quoted(arrow.kind), quoted(&arrow.text));
            format!("[{from},{to},{sent},{arrived},{lost},{kind},{text}]")
        });
    field(&mut data, "arrows", &list(arrows));
    let marks = trace
        .marks
        .iter()
        .filter(|mark| mark.at >= first)
        .map(|mark| {
            let fault = u8::from(mark.fault);
            format!("[{},{},{fault},{}]", mark.node, mark.at, quoted(&mark.text))
        });
    field(&mut data, "marks", &list(marks));
    let states = trace.states.iter().map(|state| {
        let (node, at, term) = (state.node, state.at, state.term);
        format!(
            "[{node},{at},{},{term},{}]",
            quoted(state.role),
            quoted(&state.text)
        )
    });
    field(&mut data, "states", &list(states));
    let surroundings = &trace.surroundings;
    // What was so when the drawing begins, and what came later.
    let begin = surroundings.iter().filter(|(at, _)| *at < first).count();
    let shown = surroundings[begin.saturating_sub(1)..].iter();
    let shown = shown.map(|(at, text)| format!("[{},{}]", at.max(&first), quoted(text)));
    field(&mut data, "surroundings", &list(shown));
    data.push('}');
    PAGE.replace("\"DATA\"", &data)
}

fn field(data: &mut String, name: &str, value: &str) {
    if data.len() > 1 {
        data.push(',');
    }
    // Writing into a string never fails.
    let _ = write!(data, "\"{name}\":{value}");
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!("[{}]", items.join(",\n"))
}

/// A JSON string that may stand within a script element.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '<' | '\0'..='\u{1f}' => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{self, Keep};

    #[test]
    fn text_cannot_leave_its_string() {
        assert_eq!(
            quoted("a\"b\\</script>\n"),
            "\"a\\\"b\\\\\\u003c/script>\\u000a\""
        );
    }

    #[test]
    fn a_drawing_has_its_data_and_needs_no_network() {
        let plan = Plan::draw(3);
        let outcome = run::seed(
            &plan,
            300,
            Keep {
                trace: true,
                ..Keep::default()
            },
        );
        let page = draw(&plan, 200, &outcome);
        assert!(page.contains("\"arrows\":[[") && page.contains("Seed 3"));
        assert!(!page.contains("http") && !page.contains("src=") && !page.contains("DATA"));
    }
}
