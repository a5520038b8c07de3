//! What the API changed, kept in a file over restarts: outputs that it made, and who was stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{KeyText, NewOutput};

/// The version of the format that is written.
const VERSION: u32 = 1;
/// A larger file is none of ours.
const MOST: u64 = 64 << 20;

/// Everything that is kept.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// Outputs by id.
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, NewOutput>,
    /// Ids of outputs that were stopped, of the file's too.
    #[serde(default)]
    pub(super) stopped: BTreeSet<String>,
    /// Ids of outputs without auto start that were started.
    #[serde(default)]
    pub(super) started: BTreeSet<String>,
}

/// The state file, or none. Writing it may take as long as the disk likes: never done where media or peers wait.
pub(super) struct Store {
    path: Option<PathBuf>,
}

impl Store {
    /// Reads the file, if there is one. An error says what is wrong with it: it is never overwritten then.
    pub(super) fn open(path: Option<&Path>) -> Result<(Self, Kept), String> {
        let Some(path) = path else { return Ok((Self { path: None }, Kept::default())) };
        let kept = match read(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(format!("the state file {} can't be read: {error}", path.display())),
        };
        if kept.version > VERSION {
            return Err(format!(
                "the state file {} was written by a newer version (format {}): use that version, or move the file away",
                path.display(),
                kept.version
            ));
        }
        let store = Self { path: Some(path.to_owned()) };
        // Whether it can be written is known now, not when a show depends on it.
        store.write(&kept).map_err(|error| format!("{error} ({})", path.display()))?;
        Ok((store, kept))
    }

    /// Puts this into the file; an error leaves the file as it was.
    pub(super) fn write(&self, kept: &Kept) -> Result<(), String> {
        self.replace(kept).map_err(|error| {
            // Half a file is of no use, and takes room where there is none.
            let _ = self.path.as_ref().map(|path| fs::remove_file(path.with_extension("new")));
            format!("the state file can't be written: {error}")
        })
    }

    /// A file beside it, made whole and safe on disk, then put in its place: a crash leaves the old or the new one.
    fn replace(&self, kept: &Kept) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let beside = path.with_extension("new");
        let text = serde_json::to_vec_pretty(&Kept { version: VERSION, ..kept.clone() })?;
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let about = fs::metadata(path)?;
    if about.len() > MOST {
        return Err(io::Error::other("it is too large to be a state file"));
    }
    if about.permissions().mode() & 0o077 != 0 {
        // It may hold keys: make it what it should have been.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    let text = fs::read(path)?;
    serde_json::from_slice(&text).map_err(|error| {
        // The library's own words may quote a key: only the place is told.
        io::Error::other(format!("line {}, column {}: not what this program writes", error.line(), error.column()))
    })
}

impl Serialize for KeyText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            KeyText::Literal(key) => serializer.serialize_str(key),
            KeyText::Named { secret } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("secret", secret)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_changed_is_there_after_a_restart_and_for_nobody_else_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let (store, mut kept) = Store::open(Some(&path)).unwrap();
        let output: NewOutput =
            serde_json::from_str(r#"{"stream":"live/a","url":"rtmp://h/a","key":"k1","options":{"delay":"3s"}}"#)
                .unwrap();
        kept.outputs.insert("h".into(), output);
        kept.stopped.insert("h".into());
        store.write(&kept).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (_, again) = Store::open(Some(&path)).unwrap();
        assert!(again.stopped.contains("h"));
        assert!(matches!(&again.outputs["h"].key, Some(KeyText::Literal(key)) if key == "k1"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Store::open(Some(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_not_ours_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for (text, said) in [("{\"version\": 99}", "newer"), ("{\"outputs\": \"secret-key\"}", "line 1")] {
            fs::write(&path, text).unwrap();
            let error = Store::open(Some(&path)).err().unwrap();
            assert!(error.contains(said) && !error.contains("secret-key"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/state.json");
        assert!(Store::open(Some(&path)).err().unwrap().contains("can't be written"));
        fs::create_dir(folder.path().join("gone")).unwrap();
        let (store, kept) = Store::open(Some(&path)).unwrap();
        fs::remove_dir_all(folder.path().join("gone")).unwrap();
        assert!(store.write(&kept).unwrap_err().contains("can't be written"));
    }
}
