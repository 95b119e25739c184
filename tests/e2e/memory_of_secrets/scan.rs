// SPDX-License-Identifier: MIT OR Apache-2.0
//! All memory of a process, searched from outside for secrets.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// So many bytes of a secret, wherever in it they stand, are a find: a torn copy is one too. Of
/// random secrets nothing as long lies anywhere by accident.
const PART: usize = 16;
type Part = [u8; PART];

/// How often memory is searched until it is clean. What counts is that nothing stays: the daemon
/// may still be on its way to the end of what it has just answered.
const ROUNDS: usize = 60;

/// What is searched for: secrets by name, each in every form in which it may lie about.
pub(crate) struct Secrets {
    names: Vec<String>,
    /// Every [`PART`] bytes of every form, and whose they are.
    parts: HashMap<Part, usize>,
    /// A bit for what each part hashes to, so that most of the memory is passed over quickly.
    hashes: Vec<u64>,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        Self { names: Vec::new(), parts: HashMap::new(), hashes: vec![0; 1 << 16] }
    }

    /// With one more, which is any bytes.
    #[must_use]
    pub(crate) fn with(mut self, name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        for form in forms(secret.as_ref()) {
            assert!(form.len() >= PART, "too short to be told from what lies there by accident");
            for part in form.windows(PART) {
                let (word, bit) = hash(part);
                self.hashes[word] |= bit;
                self.parts.entry(part.try_into().unwrap()).or_insert(self.names.len());
            }
        }
        self.names.push(name.into());
        self
    }

    /// Each place where one of them lies, or a part of one.
    pub(crate) fn find(&self, pid: u32) -> Vec<Find> {
        let mut finds: Vec<Find> = Vec::new();
        for region in regions(pid) {
            let mut last = None;
            for (at, part) in region.bytes.windows(PART).enumerate() {
                let (word, bit) = hash(part);
                if self.hashes[word] & bit == 0 {
                    continue;
                }
                let Some(secret) = self.parts.get::<Part>(part.try_into().unwrap()) else {
                    continue;
                };
                match finds.last_mut() {
                    Some(find) if last == Some(at) && find.name == self.names[*secret] => {
                        find.length += 1;
                    }
                    _ => finds.push(Find {
                        name: self.names[*secret].clone(),
                        length: PART,
                        place: region.describe(at),
                    }),
                }
                last = Some(at + 1);
            }
        }
        finds
    }

    /// Waits until none of them lies anywhere in the memory of a process, and panics where one
    /// stays.
    pub(crate) fn assert_gone(&self, pid: u32) {
        self.wait_until(pid, "nothing", |finds| finds.is_empty());
    }

    /// The same until they lie whole, as so many bytes, in this number of places, and in parts
    /// nowhere.
    pub(crate) fn assert_places(&self, places: usize, bytes: usize, pid: u32) {
        self.wait_until(pid, &format!("{places} whole"), |finds| {
            finds.len() == places && finds.iter().all(|find| find.length == bytes)
        });
    }

    fn wait_until(&self, pid: u32, wanted: &str, enough: impl Fn(&[Find]) -> bool) {
        assert!(!self.names.is_empty());
        let mut finds = Vec::new();
        for _ in 0..ROUNDS {
            finds = self.find(pid);
            if enough(&finds) {
                return;
            }
            thread::yield_now();
        }
        let count = finds.len();
        finds.truncate(20);
        panic!("of secrets, {wanted} should be in memory, not {count} places: {finds:#?}");
    }
}

/// A place where a secret lies.
#[derive(Debug)]
pub(crate) struct Find {
    /// Whose.
    pub(crate) name: String,
    /// How many bytes of it, in the form in which it lies there.
    pub(crate) length: usize,
    /// Where, and what lies around it, for who has to find out why.
    #[expect(dead_code, reason = "shown by Debug")]
    place: String,
}

fn hash(part: &[u8]) -> (usize, u64) {
    let word = u64::from_ne_bytes(part[..8].try_into().unwrap());
    let hash = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 42;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

/// A secret as it is, in hexadecimal, percent-encoded, as a JSON string, and in Base64 on its own or
/// in the middle of something longer.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut hex = String::new();
    secret.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let mut forms = vec![secret.to_vec(), hex.to_uppercase().into(), hex.into()];
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.push(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().into());
        forms.push(serde_json::to_vec(text).unwrap()[1..].to_vec());
        forms.push(text.replace('/', "\\/").into());
    }
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(secret);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded).into_bytes();
            // The first and the last character depend on the neighbours too.
            forms.push(text[[0, 2, 3][before]..text.len() - 1].to_vec());
        }
    }
    forms
}

/// A piece of memory that is mapped.
struct Region {
    /// Its line in `maps`.
    line: String,
    begin: u64,
    bytes: Vec<u8>,
}

impl Region {
    fn describe(&self, at: usize) -> String {
        let around = &self.bytes[at.saturating_sub(48)..(at + 64).min(self.bytes.len())];
        let address = self.begin + at as u64;
        format!("{address:#x} in {}: {}", self.line, around.escape_ascii())
    }
}

/// Whether nothing has been written to a mapped file since it was mapped: code, mostly.
fn is_as_in_its_file(line: &str, bytes: &[u8]) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let &[_, _, offset, _, inode, path] = &fields[..] else { return false };
    let (Ok(file), true) = (File::open(path), inode != "0") else { return false };
    let offset = u64::from_str_radix(offset, 16).expect("an offset");
    // The last page goes on with zeros where the file ends.
    let mut content = vec![0; bytes.len()];
    file.read_at(&mut content, offset).is_ok() && content == bytes
}

/// Everything that is mapped, readable, and not as it is in a file: heap, stacks, data.
fn regions(pid: u32) -> Vec<Region> {
    let has = |regions: &[Region], name| regions.iter().any(|region| region.line.ends_with(name));
    // The heap may shrink while it is read.
    let mut tries = (0..100).map(|_| readable_regions(pid));
    tries
        .find(|regions| has(regions, "[heap]") && has(regions, "[stack]"))
        .expect("heap and stack can be read")
}

fn readable_regions(pid: u32) -> Vec<Region> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the maps of the daemon");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory of the daemon");
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        // The kernel's own pages, of which not all can be read.
        if !rights.starts_with('r') || line.ends_with("[vvar]") || line.contains("[vvar_") {
            continue;
        }
        let (begin, end) = range.split_once('-').unwrap();
        let [begin, end] = [begin, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; (end - begin) as usize];
        // A stack may have gone with its thread meanwhile.
        if memory.read_exact_at(&mut bytes, begin).is_ok() && !is_as_in_its_file(line, &bytes) {
            regions.push(Region { line: line.to_owned(), begin, bytes });
        }
    }
    regions
}
