//! The pages as a book: none is left out of its contents, and what mdbook makes of them has no link to nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{page, pages, root};

#[test]
fn every_page_is_in_the_contents_of_the_book() {
    let docs = root().join("docs");
    let contents = page("docs/SUMMARY.md");
    let listed: Vec<&str> = contents.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let there: BTreeSet<String> = pages()
        .iter()
        .filter_map(|path| path.strip_prefix(&docs).ok())
        .map(|path| path.display().to_string())
        .filter(|path| path != "SUMMARY.md")
        .collect();
    let lacking: Vec<&String> = there.iter().filter(|path| !listed.contains(&path.as_str())).collect();
    assert!(lacking.is_empty(), "docs/SUMMARY.md lacks {lacking:?}");
    let mut seen = BTreeSet::new();
    let wrong: Vec<&&str> = listed.iter().filter(|path| !there.contains(**path) || !seen.insert(**path)).collect();
    assert!(wrong.is_empty(), "docs/SUMMARY.md names {wrong:?}, which is no page, or is there twice");
}

#[test]
fn no_page_of_the_book_leads_out_of_it() {
    let docs = root().join("docs");
    let mut wrong = Vec::new();
    for path in pages().into_iter().filter(|path| path.starts_with(&docs)) {
        let folder = path.parent().unwrap().strip_prefix(&docs).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let up = target.split('/').filter(|part| *part == "..").count();
            if up > folder.components().count() {
                wrong.push(format!("{}: {target}", path.strip_prefix(&docs).unwrap().display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "what lies outside of docs/ is not in the book; write its name without a link:\n{wrong:#?}"
    );
}

/// mdbook of PATH, or the one that `scripts/docs --install` puts beside the peers.
fn mdbook() -> Option<PathBuf> {
    let own = outflow_testkit::peers::peers_dir().join("mdbook/bin/mdbook");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&path).map(|folder| folder.join("mdbook")))
        .find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: mdbook is not installed (scripts/docs --install)");
    }
    found
}

fn html(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            html(&path, found);
        } else if path.extension().is_some_and(|end| end == "html") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(path.canonicalize().unwrap(), text);
        }
    }
}

/// The values of an attribute.
fn values<'a>(text: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    text.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_book_is_built_and_every_link_in_it_leads_somewhere() {
    let Some(mdbook) = mdbook() else { return };
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new(mdbook).arg("build").arg("--dest-dir").arg(folder.path()).arg(root().join("docs")).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let mut files = BTreeMap::new();
    html(folder.path(), &mut files);
    assert!(files.len() > 30, "{:?}", files.keys());
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in &files {
        // One is shown at any path, the other is all pages in one.
        if path.ends_with("404.html") || path.ends_with("print.html") {
            continue;
        }
        for target in values(text, "href").into_iter().chain(values(text, "src")) {
            if target.contains("://") || target.starts_with("mailto:") || target.starts_with("data:") {
                continue;
            }
            count += 1;
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let ids = || file.canonicalize().ok().and_then(|file| files.get(&file)).map(|text| values(text, "id"));
            if !file.exists() || (!fragment.is_empty() && !ids().is_some_and(|ids| ids.contains(&fragment))) {
                let path = path.strip_prefix(folder.path().canonicalize().unwrap()).unwrap();
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty() && count > 500, "{count} links, of which lead nowhere:\n  {}", wrong.join("\n  "));
}
