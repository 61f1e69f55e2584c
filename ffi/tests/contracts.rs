//! Whether each exported function's comment says what it has to: which errors, who owns what, which
//! threads. The opening comment of the header (cbindgen.toml) says what the words mean that are asked for
//! here. That the errors are complete, the fuzzer of the C interface checks (tests/fuzz/src/abi/contract.rs).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Expr, ExprLit, FnArg, Item, ItemFn, Lit, Meta, Pat};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const ON_A_NODE: &str = "those of any call on a node";
const OF_ANY: &str = "those of any call";
const ANY_THREAD: &str = "Any";
const ONE_THREAD: &str = "One at a time on the node.";
const NO_OTHER_THREAD: &str = "No other thread uses it, or will.";

/// Calls that take a node and have a rule of their own for threads, which their comments give.
const OWN_THREADS: [&str; 3] = ["raft_node_id", "raft_nodes_tick", "raft_exposition_add"];

/// A function as it is declared.
struct Function {
    name: String,
    /// Whether it can fail, which is how it is marked for the macro that exports it.
    fails: bool,
    paragraphs: Vec<String>,
    /// Names and types, without the place for the error.
    arguments: Vec<(String, String)>,
    returns: String,
}

#[test]
fn every_comment_says_what_it_has_to() {
    let functions = functions();
    assert!(functions.len() > 100, "all functions are found");
    let codes = codes();
    let wrong: Vec<String> = functions
        .iter()
        .flat_map(|function| {
            let name = &function.name;
            problems(function, &codes)
                .into_iter()
                .map(move |problem| format!("{name}: {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is missing in a function's comment.
fn problems(function: &Function, codes: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
    };
    let paragraph = |word: &str| {
        let mut with_it = function
            .paragraphs
            .iter()
            .filter_map(|text| text.strip_prefix(word)?.strip_prefix(": "));
        (with_it.next().unwrap_or_default(), with_it.next().is_none())
    };
    let on_node = function
        .arguments
        .iter()
        .any(|(_, kind)| kind == "* mut raft_node" || kind == "* const raft_node");

    let (errors, once) = paragraph("Errors");
    expect(once, "Errors twice".to_owned());
    if function.fails {
        let base = if on_node { ON_A_NODE } else { OF_ANY };
        let rest = errors.strip_prefix(base).unwrap_or("!");
        expect(
            rest.starts_with(['.', ';', ' ']) && (on_node || !errors.starts_with(ON_A_NODE)),
            format!("Errors have to begin with `{base}`"),
        );
        let has_length = function.arguments.iter().any(|(name, kind)| {
            kind == "usize" && name.ends_with("len") && function.name != "raft_nodes_tick"
        });
        expect(
            !has_length || errors.contains("RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX"),
            "a length may be out of range".to_owned(),
        );
    } else {
        expect(errors.is_empty(), "it has no errors".to_owned());
    }
    for code in function.paragraphs.iter().flat_map(|text| named(text)) {
        expect(codes.contains(code), format!("{code} is no code"));
    }

    let (memory, once) = paragraph("Memory");
    expect(once, "Memory twice".to_owned());
    for (name, kind) in &function.arguments {
        let is_handle = ["node", "config", "storage", "exposition"].contains(&name.as_str());
        let is_freed = function.name.ends_with("_free");
        if !kind.starts_with('*') || (is_handle && !is_freed) {
            continue;
        }
        let is_told = memory.contains(&format!("`{name}`")) || memory.starts_with("All arrays");
        // What is only looked at to answer, by calls that take NULL for an answer.
        let is_asked = !function.fails && !is_freed && function.returns != "raft_bytes";
        expect(
            is_told || is_asked,
            format!("Memory says nothing of `{name}`"),
        );
        if let Some(given) = kind.strip_prefix("* mut * mut ") {
            expect(
                memory.contains(&format!("{given}_free()")),
                format!("who frees `{name}`, and with what?"),
            );
        } else if kind.starts_with("* mut * const ") {
            expect(
                memory.contains("valid until"),
                format!("how long is `{name}` valid?"),
            );
        }
    }
    if function.returns.starts_with('*') || function.returns == "raft_bytes" {
        expect(
            memory.contains("valid until") || memory.contains("static"),
            "how long is what it returns valid?".to_owned(),
        );
    }

    let (threads, once) = paragraph("Threads");
    expect(
        once && !threads.is_empty(),
        "Threads have to be told of, once".to_owned(),
    );
    let rule = if function.name.ends_with("_free") {
        NO_OTHER_THREAD
    } else if on_node {
        ONE_THREAD
    } else {
        ANY_THREAD
    };
    expect(
        threads.starts_with(rule) || OWN_THREADS.contains(&function.name.as_str()),
        format!("Threads have to begin with `{rule}`"),
    );
    problems
}

/// The codes that a text names.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("RAFT_ERR_") && !word.ends_with('_'))
}

fn codes() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(CRATE).join("src/status.rs")).expect("it is there");
    named(&text).map(str::to_owned).collect()
}

/// All that the macro exports.
fn functions() -> Vec<Function> {
    let sources = fs::read_dir(Path::new(CRATE).join("src")).expect("the sources are there");
    let mut functions = Vec::new();
    for source in sources {
        let path = source.expect("the sources can be listed").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the sources are UTF-8");
        let file = syn::parse_file(&text).expect("the sources are Rust");
        functions.extend(file.items.into_iter().filter_map(|item| match item {
            Item::Macro(item) if item.mac.path.is_ident("export") => Some(parse(item.mac.tokens)),
            _ => None,
        }));
    }
    functions
}

fn parse(tokens: TokenStream) -> Function {
    let is_try = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "try");
    let fails = tokens.clone().into_iter().any(|token| is_try(&token));
    let plain: TokenStream = tokens.into_iter().filter(|token| !is_try(token)).collect();
    let ItemFn { attrs, sig, .. } = syn::parse2(plain).expect("a function is declared");
    let text = |kind: &dyn quote::ToTokens| kind.to_token_stream().to_string();
    let arguments = sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(name) => Some((
                name.ident.to_string().trim_start_matches("r#").to_owned(),
                text(&*typed.ty),
            )),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    Function {
        name: sig.ident.to_string(),
        fails,
        paragraphs: paragraphs(&attrs),
        arguments: arguments
            .filter(|(_, kind)| kind != "* mut * mut raft_error")
            .collect(),
        returns: match &sig.output {
            syn::ReturnType::Default => String::new(),
            syn::ReturnType::Type(_, kind) => text(&**kind),
        },
    }
}

/// The comment's paragraphs, each as one line.
fn paragraphs(attributes: &[Attribute]) -> Vec<String> {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(line),
                    ..
                }) => Some(line.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        });
    let mut paragraphs = vec![Vec::new()];
    for line in lines {
        if line.is_empty() {
            paragraphs.push(Vec::new());
        } else {
            paragraphs.last_mut().expect("there is one").push(line);
        }
    }
    paragraphs.iter().map(|lines| lines.join(" ")).collect()
}

/// That each rule can fail: a function that keeps them all, and what is said when it does not.
#[test]
fn a_comment_that_leaves_something_out_is_noticed() {
    let sound = "
        /// Does something.
        ///
        /// Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX).
        ///
        /// Memory: `data` is borrowed for the call. `out` belongs to the caller, who frees it with
        /// raft_buffer_free(). `view` is valid until raft_node_free().
        ///
        /// Threads: One at a time on the node.
        try fn raft_node_something(
            node: *mut raft_node,
            data: *const u8,
            len: usize,
            out: *mut *mut raft_buffer,
            view: *mut *const raft_ready,
            error: *mut *mut raft_error,
        ) -> raft_status {}";
    let codes = codes();
    let found = |text: &str| problems(&parse(text.parse().expect("it is Rust")), &codes).join("; ");
    assert_eq!(found(sound), "");
    for (before, after, said) in [
        ("Errors: those", "Fails: those", "Errors have to begin"),
        (" on a node;", ";", "Errors have to begin"),
        (
            " (a length above PTRDIFF_MAX)",
            "",
            "a length may be out of range",
        ),
        (
            "RAFT_ERR_ARGUMENT",
            "RAFT_ERR_ARGUMENTS",
            "RAFT_ERR_ARGUMENTS is no code",
        ),
        ("`data` is borrowed for the call. ", "", "nothing of `data`"),
        ("raft_buffer_free()", "free()", "who frees `out`"),
        ("valid until", "valid", "how long is `view` valid?"),
        ("One at a time on", "Any, on", "Threads have to begin"),
        ("Threads: One", "One", "Threads have to be told of"),
        (
            "Threads:",
            "Memory: none.\n///\n/// Threads:",
            "Memory twice",
        ),
    ] {
        assert!(sound.contains(before), "{before}");
        let problems = found(&sound.replacen(before, after, 1));
        assert!(problems.contains(said), "without {before}: {problems}");
    }
}
