//! Which module may know which, read from the sources: `shared` is five modules in one direction,
//! only `aws` names an AWS crate, no two files of a crate need each other, and no file is long.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use shared::aws::functions::Function;

/// The modules of `shared`, and those of them that each may name beside itself.
const MAY_NAME: [(&str, &[&str]); 5] = [
    ("kit", &[]),
    ("mirakl", &["kit"]),
    ("prima", &["kit"]),
    ("domain", &["kit", "mirakl", "prima"]),
    ("aws", &["kit", "mirakl", "prima", "domain"]),
];
/// The crates outside of `shared` and `functions/` whose files are held to the same.
const INFRA: [&str; 7] = [
    "infra/simulators",
    "infra/local-world",
    "infra/operator",
    "infra/benchmarks",
    "infra/benchmarks/million",
    "infra/fuzz",
    "infra/xtask",
];
/// Lines that a file of the product has at most.
const LONGEST_FILE: usize = 500;
/// What the crates of AWS are called.
const AWS_CRATES: [&str; 4] =
    ["aws_config", "aws_credential_types", "aws_lambda_events", "aws_sdk_"];

/// A source file: its path, its module's path, and its lines of product code without comments.
struct Source {
    path: PathBuf,
    module: Vec<String>,
    code: String,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The sources of a crate without its tests.
fn sources(of: &str) -> Vec<Source> {
    let root = workspace().join(of).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if matches!(name.as_str(), "tests" | "test_support") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let code: Vec<&str> =
                    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let mut module: Vec<String> = path
                    .strip_prefix(&root)
                    .unwrap()
                    .with_extension("")
                    .iter()
                    .map(|part| part.to_string_lossy().into_owned())
                    .collect();
                if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                    module.pop();
                }
                sources.push(Source { path, module, code: code.join("\n") });
            }
        }
    }
    assert!(!sources.is_empty(), "{of} has no sources");
    sources
}

/// The paths that a `use` declaration names, its groups taken apart: `a::{b, c::d}` is `a::b` and
/// `a::c::d`.
fn taken_apart(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let (before, within) =
        (&tree[..open], tree[open + 1..].trim_end().strip_suffix('}').unwrap_or_default());
    let (mut paths, mut depth, mut part) = (Vec::new(), 0_u32, String::new());
    for c in within.chars().chain([',']) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            if !part.trim().is_empty() {
                paths.extend(taken_apart(&part).into_iter().map(|path| format!("{before}{path}")));
            }
            part.clear();
        } else {
            part.push(c);
        }
    }
    paths
}

/// The paths that stand in the code without a `use`: `crate::a::b`, `super::c`, and `child::d` of a
/// module below. Those in attributes, such as serde's, are among them.
fn inline_paths(source: &Source, modules: &BTreeSet<Vec<String>>) -> Vec<String> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = source.code.split(|c| !is_of_path(c)).filter(|word| !word.is_empty());
    let mut paths = Vec::new();
    let mut before = "";
    for word in words {
        let path = word.trim_end_matches("::");
        let first = path.split("::").next().unwrap_or_default();
        let below = [source.module.as_slice(), &[first.to_owned()]].concat();
        // Declarations are read elsewhere, and `pub(in crate::a)` uses nothing.
        if !matches!(before, "use" | "in")
            && path.contains("::")
            && (matches!(first, "crate" | "super") || modules.contains(&below))
        {
            paths.push(path.to_owned());
        }
        before = word;
    }
    paths
}

/// The files of the same crate whose items a file uses.
fn needs(source: &Source, modules: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    // A program under `src/bin` is a crate of its own.
    let root = if source.module.first().is_some_and(|first| first == "bin") {
        source.module.len().min(2)
    } else {
        0
    };
    let declarations = source.code.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    let used = declarations.flat_map(|declaration| {
        taken_apart(&declaration.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    let mut needs = BTreeSet::new();
    for path in used.chain(inline_paths(source, modules)) {
        let parts: Vec<String> = path.split("::").map(str::to_owned).collect();
        let ups = parts.iter().take_while(|part| *part == "super").count();
        let mut target: Vec<String> = match parts.first().map(String::as_str) {
            Some("crate") => [&source.module[..root], &parts[1..]].concat(),
            Some("super") => {
                let base = source.module.len().saturating_sub(ups);
                [&source.module[..base], &parts[ups..]].concat()
            }
            Some("self") => [&source.module[..], &parts[1..]].concat(),
            _ => [&source.module[..], &parts[..]].concat(),
        };
        while !target.is_empty() && !modules.contains(&target) {
            target.pop();
        }
        // A path that leads to no file of the crate is another crate's, or an item of this very
        // file.
        if !target.is_empty() && target != source.module {
            needs.insert(target);
        }
    }
    needs
}

/// Which modules can be reached from one, itself only by a circle.
fn reachable(
    from: &[String],
    graph: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
) -> BTreeSet<Vec<String>> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_vec()];
    while let Some(module) = open.pop() {
        for next in graph.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

#[test]
fn shared_knows_in_one_direction() {
    let mut wrong = Vec::new();
    for source in sources("shared") {
        let Some(module) = source.module.first() else { continue };
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| name == module) else {
            wrong.push(format!(
                "{}: its module has no place in the order: give it one in tests/direction.rs",
                source.path.display()
            ));
            continue;
        };
        for rest in source.code.split("crate::").skip(1) {
            let named: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // A macro is exported at the root of the crate, whichever module it stands in.
            if rest[named.len()..].starts_with('!') {
                continue;
            }
            if named != *module && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{}: {module} must not name {named}", source.path.display()));
            }
        }
        if module != "aws"
            && let Some(name) = AWS_CRATES.iter().find(|name| source.code.contains(*name))
        {
            wrong.push(format!(
                "{}: only the module aws names a crate of AWS, and this is {name}",
                source.path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_files_need_each_other() {
    let mut circles = BTreeSet::new();
    let functions = Function::ALL.iter().map(|function| format!("functions/{}", function.name()));
    for name in
        std::iter::once("shared".to_owned()).chain(functions).chain(INFRA.map(str::to_owned))
    {
        let sources = sources(&name);
        let modules: BTreeSet<Vec<String>> =
            sources.iter().map(|source| source.module.clone()).collect();
        let graph: BTreeMap<_, _> =
            sources.iter().map(|source| (source.module.clone(), needs(source, &modules))).collect();
        for module in graph.keys() {
            if reachable(module, &graph).contains(module) {
                circles.insert(format!("{name}: {}", module.join("::")));
            }
        }
    }
    assert!(
        circles.is_empty(),
        "these files need each other, in one circle or several:\n{}",
        circles.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn no_file_of_the_product_is_long() {
    let functions = Function::ALL.iter().map(|function| format!("functions/{}", function.name()));
    let mut long = Vec::new();
    for source in std::iter::once("shared".to_owned()).chain(functions).flat_map(|of| sources(&of))
    {
        let lines = fs::read_to_string(&source.path).unwrap().lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{}: {lines} lines", source.path.display()));
        }
    }
    assert!(
        long.is_empty(),
        "over {LONGEST_FILE} lines: give each thing that such a file is about a file of its own\n{}",
        long.join("\n")
    );
}

#[test]
fn paths_without_a_use_are_found() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let source = Source {
        path: PathBuf::new(),
        module: module("a"),
        code: "pub(in crate::x) fn f() { crate::y::g(); below::h(); other::i() }\n\
               #[serde(with = \"super::z::date\")]"
            .to_owned(),
    };
    let modules = BTreeSet::from(["a", "a::below", "x", "y", "z"].map(module));
    assert_eq!(inline_paths(&source, &modules), ["crate::y::g", "below::h", "super::z::date"]);
    assert_eq!(needs(&source, &modules), BTreeSet::from(["a::below", "y", "z"].map(module)));
}

#[test]
fn groups_are_taken_apart() {
    assert_eq!(
        taken_apart("crate::a::{b, c::{d, e as f}, self}"),
        ["crate::a::b", "crate::a::c::d", "crate::a::c::e", "crate::a::self"]
    );
    assert_eq!(taken_apart("super::x"), ["super::x"]);
}

/// The one file that sends events and shows exceptions.
const NOTIFY: &str = "domain/notify.rs";

#[test]
fn people_are_told_in_one_place() {
    let functions = Function::ALL.iter().map(|function| format!("functions/{}", function.name()));
    let mut others = Vec::new();
    for source in std::iter::once("shared".to_owned()).chain(functions).flat_map(|of| sources(&of))
    {
        // A trait for a reference passes the call on.
        let code = source.code.replace("(**self)", "");
        let tells =
            ["events.publish(", ".send_exceptions(&"].iter().any(|call| code.contains(call));
        if source.path.ends_with(NOTIFY) {
            assert!(tells, "{NOTIFY} tells nobody: where is that done now?");
        } else if tells {
            others.push(source.path.display().to_string());
        }
    }
    assert!(
        others.is_empty(),
        "only {NOTIFY} decides what is told and when, and these tell by themselves: {}",
        others.join(", ")
    );
}
