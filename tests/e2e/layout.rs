// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rooms of `src/` and who may import whom. What a file imports is read off its text: each `use`
//! and each path that begins with `crate`, `self`, `super`, a module of its own or a name that it
//! has imported. A name that a module hands on (`pub use`) counts as the file that has it.
//!
//! A module may use what lies below it (`bus.rs` uses `bus/wire.rs`, which it has declared), and
//! that is no arrow: only arrows between other files can close a circle. Unit tests count for the
//! rooms, and not for the circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the top floor down.
const FLOORS: [&str; 13] = [
    "main",
    "cli",
    "daemon",
    "client",
    "bus",
    "store",
    "seal",
    "config",
    "device",
    "oauth",
    "lifecycle",
    "system",
    "common",
];

/// Rooms that know nothing of files, sockets and libraries that do I/O.
const PURE: [&str; 2] = ["lifecycle", "common"];
const IMPURE: [&[&str]; 4] = [&["ureq"], &["zbus"], &["rustix"], &["std", "fs"]];

/// Files that import one another all the same, and why.
const CIRCLES: [(&[&str], &str); 0] = [];

#[test]
fn a_room_imports_only_from_the_rooms_below_it() {
    let source = Source::read();
    let mut upward = Vec::new();
    for (from, to, _) in source.arrows() {
        let (Some(here), Some(there)) = (floor(&from), floor(&to)) else { continue };
        if there < here {
            upward.push(format!("{} imports {}", path(&from), path(&to)));
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn every_module_of_the_crate_is_a_room_with_a_floor() {
    let source = Source::read();
    let top: BTreeSet<_> = source.modules.keys().filter(|module| module.len() == 1).collect();
    let strange: Vec<_> = top.into_iter().filter(|module| floor(module).is_none()).collect();
    // What holds for any input, for the fuzzer: it hands on the promises of all rooms.
    assert_eq!(strange, [&vec!["fuzzing".to_owned()]]);
    for room in FLOORS {
        assert!(source.modules.contains_key(&vec![room.to_owned()]), "{room}");
    }
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let source = Source::read();
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, to, in_test) in source.arrows() {
        if !in_test && !to.starts_with(&from) {
            arrows.entry(from).or_default().insert(to);
        }
    }
    let mut circles: Vec<Vec<String>> = Vec::new();
    for circle in circles_of(&arrows) {
        circles.push(circle.iter().map(|module| path(module)).collect());
    }
    let known: Vec<Vec<String>> = CIRCLES
        .iter()
        .map(|(files, _)| files.iter().map(|file| (*file).to_owned()).collect())
        .collect();
    assert_eq!(circles, known, "circles, and those that are known");
}

#[test]
fn the_lifecycle_and_what_all_rooms_share_do_no_input_or_output() {
    let source = Source::read();
    let mut found = Vec::new();
    for (module, file) in &source.modules {
        if file.in_test || !PURE.iter().any(|room| module.first().is_some_and(|it| it == room)) {
            continue;
        }
        for words in file.paths.iter().filter(|found| !found.in_test).map(|found| &found.words) {
            if IMPURE
                .iter()
                .any(|no| words.iter().zip(*no).filter(|(a, b)| a == b).count() == no.len())
            {
                found.push(format!("{}: {}", path(module), words.join("::")));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The path of a module in the crate; of `main.rs`, `main`; of `lib.rs`, nothing.
type Module = Vec<String>;

fn floor(module: &[String]) -> Option<usize> {
    FLOORS.iter().position(|room| module.first().is_some_and(|name| name == room))
}

fn path(module: &[String]) -> String {
    module.join("/")
}

/// The sets of more than one file that reach one another.
fn circles_of(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            for to in arrows.get(&module).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<_, _> = arrows.keys().map(|module| (module.clone(), reach(module))).collect();
    let mut circles: Vec<BTreeSet<Module>> = Vec::new();
    for (module, reached) in &all {
        if reached.contains(module) && !circles.iter().any(|circle| circle.contains(module)) {
            let back = |to: &&Module| all.get(*to).is_some_and(|reached| reached.contains(module));
            circles.push(reached.iter().filter(back).cloned().collect());
        }
    }
    circles
}

/// All files of the crate.
struct Source {
    modules: BTreeMap<Module, File>,
}

/// What one file says of others.
#[derive(Default)]
struct File {
    paths: Vec<Found>,
    /// Names that it has imported, and what they stand for.
    names: BTreeMap<String, Vec<String>>,
    /// Of these, those that it hands on.
    handed_on: BTreeSet<String>,
    /// Modules whose every name it hands on.
    globs: Vec<Vec<String>>,
    in_test: bool,
}

struct Found {
    words: Vec<String>,
    in_test: bool,
    /// How many modules of the file itself it stands in.
    depth: usize,
}

impl Source {
    fn read() -> Self {
        fn add(directory: &Path, module: &[String], modules: &mut BTreeMap<Module, File>) {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    add(&path, &[module, &[name]].concat(), modules);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let here = match name.as_str() {
                        "mod" | "lib" => module.to_vec(),
                        _ => [module, &[name]].concat(),
                    };
                    modules.insert(here, File::read(&fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut modules = BTreeMap::new();
        add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut modules);
        // `main.rs` sees the crate from outside.
        for found in &mut modules.get_mut(&vec!["main".to_owned()]).expect("it is there").paths {
            if found.words[0] == "tokend" {
                found.words[0] = "crate".to_owned();
            }
        }
        let tests: Vec<_> = modules
            .keys()
            .filter(|module| module.iter().any(|name| name == "tests" || name == "fuzzing"))
            .cloned()
            .collect();
        for module in tests {
            modules.get_mut(&module).expect("it is there").in_test = true;
        }
        Self { modules }
    }

    /// From which file to which other one, and whether only for tests.
    fn arrows(&self) -> BTreeSet<(Module, Module, bool)> {
        let mut arrows = BTreeSet::new();
        for (module, file) in &self.modules {
            for found in &file.paths {
                if let Some(to) = self.resolve(module, &found.words, found.depth, 0)
                    && to != *module
                    && !to.is_empty()
                {
                    arrows.insert((module.clone(), to, found.in_test || file.in_test));
                }
            }
        }
        arrows
    }

    /// The file that has what `words`, written in `module`, stand for.
    fn resolve(
        &self,
        module: &Module,
        words: &[String],
        depth: usize,
        steps: usize,
    ) -> Option<Module> {
        if steps > 9 {
            return None;
        }
        let mut here = module.clone();
        let mut rest = words;
        let mut up = depth;
        match rest.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &rest[1..]),
            "self" | "super" => {
                while let Some(word) = rest.first().filter(|w| *w == "self" || *w == "super") {
                    if word == "super" && up > 0 {
                        up -= 1;
                    } else if word == "super" {
                        here.pop();
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [here.as_slice(), &[first.to_owned()]].concat();
                if !self.modules.contains_key(&child) {
                    let meant = self.modules[module].names.get(first)?;
                    if meant.first().is_some_and(|word| word == first) {
                        return None;
                    }
                    let all = [meant.as_slice(), &rest[1..]].concat();
                    return self.resolve(module, &all, 0, steps + 1);
                }
            }
        }
        while let Some(word) = rest.first() {
            let child = [here.as_slice(), std::slice::from_ref(word)].concat();
            if !self.modules.contains_key(&child) {
                break;
            }
            (here, rest) = (child, &rest[1..]);
        }
        let (Some(name), Some(file)) = (rest.first(), self.modules.get(&here)) else {
            return Some(here);
        };
        if here != *module && file.handed_on.contains(name) {
            let all = [file.names[name].as_slice(), &rest[1..]].concat();
            return self.resolve(&here, &all, 0, steps + 1).or(Some(here));
        }
        Some(here)
    }
}

impl File {
    fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut file = Self::default();
        // The modules in the file that we are in: at which depth of braces each began, and whether
        // it is for tests.
        let (mut braces, mut inside): (usize, Vec<(usize, bool)>) = (0, Vec::new());
        let (mut for_tests, mut handed_on) = (false, false);
        let mut at = 0;
        while at < tokens.len() {
            let word = tokens[at].as_str();
            let in_test = inside.iter().any(|(_, tests)| *tests);
            match word {
                "#" => {
                    let end = (at..tokens.len()).find(|i| tokens[*i] == "]").unwrap_or(at);
                    let attribute = &tokens[at..end];
                    for_tests |= attribute.iter().any(|word| word == "cfg")
                        && attribute.iter().any(|word| word == "test");
                    at = end + 1;
                    continue;
                }
                "{" => braces += 1,
                "}" => {
                    braces -= 1;
                    if inside.last().is_some_and(|(depth, _)| *depth == braces) {
                        inside.pop();
                    }
                }
                "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                    inside.push((braces, for_tests));
                    at += 2;
                    continue;
                }
                "pub" => handed_on = true,
                "use" if tokens.get(at + 1).is_some_and(|next| next != "<") => {
                    let mut uses = Vec::new();
                    at = tree(&tokens, at + 1, &[], &mut uses);
                    for (words, name) in uses {
                        let in_test = in_test || for_tests;
                        let depth = inside.len();
                        file.paths.push(Found { words: words.clone(), in_test, depth });
                        if name == "*" {
                            if handed_on {
                                file.globs.push(words);
                            }
                            continue;
                        }
                        if handed_on {
                            file.handed_on.insert(name.clone());
                        }
                        if depth == 0 || !file.names.contains_key(&name) {
                            let up = words.iter().take_while(|word| *word == "super").count();
                            let up = up.min(depth);
                            let words = match up {
                                0 => words,
                                _ => [&["self".to_owned()], &words[up..]].concat(),
                            };
                            file.names.insert(name, words);
                        }
                    }
                    (for_tests, handed_on) = (false, false);
                    continue;
                }
                _ => {}
            }
            // A path of two words or more, where no longer one has this part.
            let begins = at == 0 || tokens[at - 1] != "::";
            if begins && is_word(word) && tokens.get(at + 1).is_some_and(|next| next == "::") {
                let mut words = vec![word.to_owned()];
                let mut end = at + 1;
                while tokens.get(end).is_some_and(|next| next == "::")
                    && tokens.get(end + 1).is_some_and(|next| is_word(next))
                {
                    words.push(tokens[end + 1].clone());
                    end += 2;
                }
                let visibility = at > 1 && tokens[at - 1] == "in" && tokens[at - 2] == "(";
                if !visibility {
                    file.paths.push(Found {
                        words,
                        in_test: in_test || for_tests,
                        depth: inside.len(),
                    });
                }
                at = end;
                continue;
            }
            if matches!(word, ";" | "}" | "{") {
                (for_tests, handed_on) = (false, false);
            }
            at += 1;
        }
        file
    }
}

/// Reads a tree of `use`: each path of it with the name that it brings. Returns where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut words = before.to_vec();
    loop {
        match tokens[at].as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = tree(tokens, at, &words, found);
                    if tokens[at] == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                found.push((words, "*".to_owned()));
                return at + 1;
            }
            "as" => {
                found.push((words, tokens[at + 1].clone()));
                return at + 2;
            }
            word if is_word(word) => {
                if word != "self" || words.is_empty() {
                    words.push(word.to_owned());
                }
                at += 1;
            }
            _ => {
                let name = words.last().cloned().unwrap_or_default();
                found.push((words, name));
                return at;
            }
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, `::`, and every other sign by itself; no comments, no strings.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let is = |at: usize, c: char| text.get(at) == Some(&c);
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let c = text[at];
        if c == '/' && is(at + 1, '/') {
            while at < text.len() && text[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && is(at + 1, '*') {
            while at < text.len() && !(text[at] == '*' && is(at + 1, '/')) {
                at += 1;
            }
            at += 2;
        } else if matches!(c, 'r' | 'b' | 'c') && raw(&text, at).is_some() {
            at = raw(&text, at).unwrap_or(at);
        } else if c == '"' {
            at += 1;
            while at < text.len() && text[at] != '"' {
                at += if text[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == '\'' && (is(at + 1, '\\') || is(at + 2, '\'')) {
            // A character; what is no character is a lifetime.
            at += if is(at + 1, '\\') { 3 } else { 2 };
            while at < text.len() && text[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if letter(c) {
            let begin = at;
            while at < text.len() && letter(text[at]) {
                at += 1;
            }
            tokens.push(text[begin..at].iter().collect());
        } else if c == ':' && is(at + 1, ':') {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// Where a raw string ends that begins here, if one does.
fn raw(text: &[char], mut at: usize) -> Option<usize> {
    if at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_') {
        return None;
    }
    if text[at] != 'r' {
        at += 1;
    }
    if text.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = text[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if text.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < text.len() {
        let closed = text[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if text[at] == '"' && closed {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    None
}
