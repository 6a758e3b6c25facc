//! The sources of the functions, read for the calls that they make to AWS. Read as text: rustfmt
//! lays every function out alike.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Names under which adapters call themselves and each other.
const OWN: [&str; 5] = ["self.", "self.0.", "store.", "documents.", "Self::"];

/// A function's name, and its text as [`compact`] makes it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A file of the workspace, without its tests and its comments.
pub(crate) fn file(path: &str) -> String {
    let path = local_world::paths::workspace().join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let end = text.find("\n#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// All files of a directory that hold no tests, as paths in the workspace.
pub(crate) fn files_below(directory: &str) -> Vec<String> {
    let workspace = local_world::paths::workspace();
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![workspace.join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "tests" {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !["tests", "contract"].contains(&name)
            {
                found.push(path.strip_prefix(&workspace).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Without the blanks that separate no words, so that a call is one piece however it was broken
/// into lines.
pub(crate) fn compact(text: &str) -> String {
    let is_word = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    text.split_whitespace().fold(String::new(), |mut text, word| {
        if is_word(text.chars().next_back()) && is_word(word.chars().next()) {
            text.push(' ');
        }
        text + word
    })
}

/// The functions of a file.
pub(crate) fn items(text: &str) -> Vec<Item> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        let Some(at) = start.find("fn ").filter(|at| {
            start[..*at].split_whitespace().all(|word| word == "async" || word.starts_with("pub"))
        }) else {
            continue;
        };
        let name: String = start[at + 3..]
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        let end = format!("{}}}", &line[..line.len() - start.len()]);
        let body: Vec<&str> = if start.ends_with('}') || start.ends_with(';') {
            vec![line]
        } else {
            // A declaration without a body may take several lines.
            let (mut over, mut opened) = (false, false);
            let ends = |line: &str| {
                opened |= line.ends_with('{');
                std::mem::replace(&mut over, line == end || (!opened && line.ends_with(';')))
            };
            lines[number..]
                .iter()
                .copied()
                .scan(ends, |ends, line| (!ends(line)).then_some(line))
                .collect()
        };
        found.push(Item { name, text: compact(&body.join("\n")) });
    }
    found
}

/// Whether `text` calls `name`: bare, by a path, or on one of `receivers` (`"self."`).
pub(crate) fn calls(text: &str, name: &str, receivers: &[&str]) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        if !(after.starts_with('(') || after.starts_with("::<")) || before.ends_with("fn ") {
            return false;
        }
        match before.chars().next_back() {
            Some('.') => receivers.iter().any(|receiver| before.ends_with(receiver)),
            Some(letter) => !(letter.is_alphanumeric() || letter == '_'),
            None => true,
        }
    })
}

/// The text of a function and of all functions of these files that it leads to.
pub(crate) fn closure(name: &str, items: &[Item]) -> String {
    let mut reached: BTreeSet<usize> =
        items.iter().enumerate().filter(|(_, item)| item.name == name).map(|(at, _)| at).collect();
    let mut waiting: Vec<usize> = reached.iter().copied().collect();
    while let Some(at) = waiting.pop() {
        for (other, item) in items.iter().enumerate() {
            if !reached.contains(&other) && calls(&items[at].text, &item.name, &OWN) {
                reached.insert(other);
                waiting.push(other);
            }
        }
    }
    reached.into_iter().map(|at| items[at].text.as_str()).collect()
}

/// The operations of the SDK in a text: what is called, without arguments, on a `client`.
pub(crate) fn operations(text: &str) -> BTreeSet<String> {
    text.match_indices("client.")
        .filter_map(|(at, found)| {
            let rest = &text[at + found.len()..];
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            (!name.is_empty() && name != "clone" && rest[name.len()..].starts_with("()"))
                .then_some(name)
        })
        .collect()
}
