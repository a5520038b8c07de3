//! What the contract tests of sources and sinks have in common: what the process and a folder hold open or contain.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use outflow::net::dial::SystemResolver;
use outflow::node::{MediaUrl, Node};
use outflow::options::{self, OptionSpec, Options, value};

/// How long a source or sink may take to end once it was told to stop.
pub(crate) const STOP: Duration = Duration::from_secs(2);

/// The tests of a file look at what the whole process holds open: one at a time.
pub(crate) static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A resolver for what is reached by its address.
pub(crate) fn resolver() -> std::sync::Arc<SystemResolver> {
    std::sync::Arc::new(SystemResolver)
}

/// A word of a kind, with its options' defaults.
pub(crate) fn node(
    kind: &'static str,
    tables: &[&'static [OptionSpec]],
    url: &str,
    set: &[(&'static str, &str)],
) -> Node {
    let mut typed = Options::with_defaults(options::defaults(tables));
    for (name, text) in set {
        let spec = options::find(tables, name).unwrap_or_else(|| panic!("{kind} has no option {name}"));
        typed.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    let url = (!url.is_empty()).then(|| MediaUrl::new(url));
    Node { index: 1, word: "word".into(), kind, name: "name".into(), url, options: typed }
}

/// The descriptors that this process holds (where the system tells them) and the files of a folder.
pub(crate) fn held(folder: &Path) -> BTreeSet<String> {
    let list = |path: &Path| std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    // The one that lists them is gone by the time its target is read.
    let descriptors = list(Path::new("/proc/self/fd")).filter_map(|entry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        (!target.starts_with("/proc")).then(|| format!("{} -> {}", entry.path().display(), target.display()))
    });
    let files = list(folder).map(|entry| {
        let length = entry.metadata().map_or(0, |meta| meta.len());
        format!("{} of {length} bytes", entry.path().display())
    });
    descriptors.chain(files).collect()
}

/// Every option is told of, once, with a default that it takes.
pub(crate) fn help_is_whole(kind: &str, summary: &str, tables: &[&'static [OptionSpec]]) {
    assert!(!kind.trim().is_empty() && summary.trim().len() > 10, "{kind}: {summary:?}");
    let specs: Vec<_> = tables.iter().copied().flatten().collect();
    for spec in &specs {
        assert!(spec.help.trim().len() > 3, "{kind}: {} has no help", spec.name);
        assert_eq!(specs.iter().filter(|other| other.is(spec.name)).count(), 1, "{kind}: {} is there twice", spec.name);
        assert!(spec.default.is_empty() || value::parse(spec.ty, spec.default).is_ok(), "{kind}: {}", spec.name);
    }
}
