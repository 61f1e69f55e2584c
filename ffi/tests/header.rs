//! Whether include/libraft.h is what the sources say.
//!
//! `LIBRAFT_BLESS=1 cargo test -p libraft-ffi --test header`, or `make header`, writes it anew.

use std::path::Path;
use std::{env, fs};

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Item, ItemFn, ItemMacro};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn header_is_up_to_date() {
    let committed = Path::new(CRATE).join("../include/libraft.h");
    let header = generate();
    if env::var_os("LIBRAFT_BLESS").is_some() {
        fs::write(&committed, &header).expect("include/libraft.h can be written");
    }
    let found = fs::read_to_string(&committed).unwrap_or_default();
    if let Some((number, (found, wanted))) = found
        .lines()
        .zip(header.lines())
        .enumerate()
        .find(|(_, (found, wanted))| found != wanted)
    {
        panic!(
            "include/libraft.h has drifted; run `make header`. Line {}:\n  is     {found}\n  should {wanted}",
            number + 1
        );
    }
    assert_eq!(
        found.len(),
        header.len(),
        "include/libraft.h has drifted in its length; run `make header`"
    );
}

#[test]
fn only_the_macro_exports_functions() {
    let sources = fs::read_dir(Path::new(CRATE).join("src")).expect("the sources are there");
    let mut exporting = Vec::new();
    for source in sources {
        let path = source.expect("the sources can be listed").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("the sources are UTF-8");
            if ["no_mangle", "export_name", "extern \"C\""]
                .iter()
                .any(|word| text.contains(word))
            {
                exporting.push(path.file_name().expect("it is a file").to_owned());
            }
        }
    }
    assert_eq!(
        exporting,
        ["export.rs"],
        "what is exported in another way has no guard against panics and NULL"
    );
}

/// Runs cbindgen on the crate's sources as one file, in which the macro that declares the
/// functions is expanded: cbindgen itself would need a nightly compiler for that.
fn generate() -> String {
    let flat: String = modules()
        .iter()
        .map(|module| {
            let path = Path::new(CRATE).join(format!("src/{module}.rs"));
            let source = fs::read_to_string(&path).expect("each module is a file");
            let file = syn::parse_file(&source).expect("the sources are Rust");
            let items = file.items.into_iter().map(expand);
            quote!(#(#items)*).to_string() + "\n"
        })
        .collect();
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libraft_flat.rs");
    fs::write(&source, flat).expect("the target directory can be written to");

    let config = cbindgen::Config::from_file(Path::new(CRATE).join("cbindgen.toml"))
        .expect("cbindgen.toml is valid");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(source)
        .generate()
        .expect("cbindgen understands the sources");
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).expect("the sources are UTF-8")
}

/// The public modules in the order of lib.rs, which is the order of the header.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(Path::new(CRATE).join("src/lib.rs")).expect("lib.rs is there");
    let file = syn::parse_file(&lib).expect("lib.rs is Rust");
    file.items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if matches!(module.vis, syn::Visibility::Public(_)) => {
                Some(module.ident.to_string())
            }
            _ => None,
        })
        .collect()
}

/// What the macro `export!` makes of its argument, without the body.
fn expand(item: Item) -> TokenStream {
    match item {
        Item::Macro(ItemMacro { mac, .. }) if mac.path.is_ident("export") => declare(mac.tokens),
        Item::Const(mut number) => {
            // cbindgen writes constants of the types that it knows, and not of their aliases.
            if matches!(&*number.ty, syn::Type::Path(path) if is_alias(path)) {
                number.ty = syn::parse_quote!(i32);
            }
            number.to_token_stream()
        }
        other => other.to_token_stream(),
    }
}

/// The types of numbers, such as raft_role, are all aliases of i32; constants have no other types
/// with such names.
fn is_alias(path: &syn::TypePath) -> bool {
    path.path
        .get_ident()
        .is_some_and(|ident| ident.to_string().starts_with("raft_"))
}

fn declare(tokens: TokenStream) -> TokenStream {
    let plain: TokenStream = tokens
        .into_iter()
        .filter(|token| !matches!(token, TokenTree::Ident(ident) if ident == "try"))
        .collect();
    let ItemFn { attrs, sig, .. } = syn::parse2(plain).expect("a function is declared");
    quote! {
        #(#attrs)*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" #sig { loop {} }
    }
}
