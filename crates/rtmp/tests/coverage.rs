//! The page docs/spec-coverage.md against the tree: no item left out, every file there, every test a test of its file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of the rows of one table: item, what it asks, where, proof.
fn rows<'a>(page: &'a str, table: &str) -> Vec<[&'a str; 4]> {
    let (_, rest) = page.split_once(&format!("<!-- table: {table} -->")).expect("the table begins");
    let (rows, _) = rest.split_once("<!-- end of table -->").expect("the table ends");
    let cells = |row: &'a str| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("four cells: {cells:?}"))
    };
    rows.trim().lines().skip(2).map(cells).collect()
}

fn ticked(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// What is wrong with the page, one line for each mistake.
fn mistakes(page: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables: [(&str, Vec<String>); 3] = [
        ("items", (1..=67).map(|number| number.to_string()).collect()),
        ("enhanced", (1..=8).map(|number| format!("E{number}")).collect()),
        ("hostile", (1..=15).map(|number| format!("H{number}")).collect()),
    ];
    for (table, expected) in tables {
        let rows = rows(page, table);
        let items: Vec<&str> = rows.iter().map(|row| row[0]).collect();
        if items != expected {
            wrong.push(format!("{table}: each item once and in order, not {items:?}"));
        }
        for [item, asks, places, proofs] in rows {
            if proofs == "missing" {
                continue;
            }
            let (places, proofs) = (ticked(places), ticked(proofs));
            if asks.is_empty() || places.is_empty() || proofs.is_empty() {
                wrong.push(format!("{item}: a cell is empty"));
            }
            wrong.extend(places.iter().filter(|file| read(file).is_none()).map(|file| format!("{item}: no {file}")));
            wrong.extend(proofs.iter().filter_map(|proof| Some(format!("{item}: {}", proof_fault(proof, read)?))));
        }
    }
    wrong
}

/// A proof is a decision, or `file::test`.
fn proof_fault(proof: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let Some((file, test)) = proof.split_once("::") else {
        let is_decision = proof.starts_with("docs/decisions/") && read(proof).is_some();
        return (!is_decision).then(|| format!("{proof} is neither a test nor a decision"));
    };
    let Some(text) = read(file) else { return Some(format!("no {file}")) };
    let mut lines = text.lines().map(str::trim);
    let mut since_attribute = None;
    let found = lines.any(|line| {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            since_attribute = Some(());
        }
        let is_it = line.split_once("fn ").is_some_and(|(before, rest)| {
            (before.is_empty() || before == "async ") && rest.split('(').next() == Some(test)
        });
        let is_test = is_it && since_attribute.is_some();
        if line == "}" {
            since_attribute = None;
        }
        is_test
    });
    (!found).then(|| format!("{file} has no test {test}"))
}

#[test]
fn every_item_has_its_place_and_its_proof() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).ok();
    let page = read("docs/spec-coverage.md").expect("the page is there");
    let wrong = mistakes(&page, &read);
    assert!(wrong.is_empty(), "docs/spec-coverage.md:\n{}", wrong.join("\n"));
}

/// The check itself: it finds what rots.
#[test]
fn a_page_that_has_rotted_is_found() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).ok();
    let page = read("docs/spec-coverage.md").expect("the page is there");
    let files: HashMap<&str, &str> =
        HashMap::from([("a.rs", "#[test]\nfn one() {\n}\nfn two() {\n}\n#[tokio::test]\nasync fn three() {")]);
    let in_files = |file: &str| files.get(file).map(|text| (*text).to_owned());
    let fault = |proof| proof_fault(proof, &in_files);
    assert_eq!((fault("a.rs::one"), fault("a.rs::three")), (None, None));
    for proof in ["a.rs::two", "a.rs::on", "b.rs::one", "docs/decisions/none.md", "a.rs"] {
        assert!(fault(proof).is_some(), "{proof}");
    }
    for (from, to) in [
        ("| 31 |", "| 32 |"),
        ("| H7 |", "| H8 |"),
        ("crates/rtmp/src/session/flow.rs`", "crates/rtmp/src/session/flaw.rs`"),
        ("chunks.rs::known_bytes", "chunks.rs::unknown_bytes"),
        ("docs/decisions/0011-", "docs/decisions/0012-x"),
    ] {
        let rotten = page.replacen(from, to, 1);
        assert_ne!(rotten, page, "{from}");
        assert!(!mistakes(&rotten, &read).is_empty(), "{from}");
    }
}

/// What is of this crate's own making, and in no specification.
const OWN: [&str; 5] = ["error.rs", "limits.rs", "secret.rs", "auth", "stream_path.rs"];

/// Types without a word on where they are defined, as `file: type`.
fn unexplained(file: &str, text: &str) -> Vec<String> {
    let sources = ["§", "Enhanced RTMP", "RFC ", "ISO/IEC", "in no specification"];
    let (mut explained, mut wrong) = (false, Vec::new());
    for line in text.lines().take_while(|line| !line.starts_with("mod tests")) {
        if let Some(words) = line.trim().strip_prefix("///") {
            explained |= sources.iter().any(|source| words.contains(source));
        } else if let Some(name) = ["pub struct ", "pub enum "].iter().find_map(|begin| line.strip_prefix(begin)) {
            if !explained {
                wrong.push(format!("{file}: {}", name.split(['<', '(', ' ', ';', '{']).next().unwrap_or(name)));
            }
            explained = false;
        } else if !line.trim_start().starts_with("#[") {
            explained = false;
        }
    }
    wrong
}

/// A newcomer finds the section of every type: its documentation says it.
#[test]
fn every_type_says_which_section_defines_it() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut wrong, mut seen) = (vec![sources.clone()], Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(&sources).unwrap().display().to_string();
            let is_own = OWN.iter().any(|own| shown.starts_with(own) || shown.ends_with(own));
            if path.is_dir() {
                folders.push(path);
            } else if !is_own && !shown.contains("tests") {
                seen += 1;
                wrong.extend(unexplained(&shown, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(seen > 30 && wrong.is_empty(), "{seen} files; these types do not say it:\n{}", wrong.join("\n"));
    assert_eq!(
        unexplained("a", "/// A thing.\n#[derive(X)]\npub struct A<'a> {\n/// (RFC 1 §2)\npub enum B {"),
        ["a: A"]
    );
}
