//! What a configuration may ask of the world outside: variables and small files. A trait, so that tests have their own.

use std::io::{self, Read};
use std::path::Path;

/// More than any configuration needs; keeps a wrong path from filling memory.
const LARGEST: u64 = 4 << 20;

/// The surroundings of a configuration.
pub trait World {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The names of all environment variables.
    fn variables(&self) -> Vec<String>;
    /// A small text file, whole.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// The permissions of a file (`0o600`), where it is there and the system has them.
    fn mode(&self, path: &Path) -> Option<u32>;
}

/// The real surroundings.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl World for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn variables(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {LARGEST} bytes")));
        }
        Ok(text)
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt;
        Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o7777)
    }

    #[cfg(not(unix))]
    fn mode(&self, path: &Path) -> Option<u32> {
        path.exists().then_some(0o600)
    }
}
