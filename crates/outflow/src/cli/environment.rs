//! What words may ask of the world outside: variables, small files, descriptors. A trait, so that tests have their own.

use std::io::{self, Read};
use std::path::Path;

use crate::config::world::{self, World};

/// More than any key or word file needs; keeps `file@/dev/zero` from filling memory.
const LARGEST: u64 = 64 * 1024;

/// The surroundings of a command line.
pub trait Environment {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// A small text file, whole.
    fn read(&self, path: &str) -> io::Result<String>;
    /// True if something has this path.
    fn exists(&self, path: &str) -> bool;
    /// True if it is a directory.
    fn is_directory(&self, path: &str) -> bool;
    /// The names of all environment variables.
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }
    /// A configuration, whole.
    fn read_large(&self, path: &Path) -> io::Result<String> {
        self.read(&path.to_string_lossy())
    }
    /// The permissions of a file (`0o600`), where it is there and the system has them.
    fn mode(&self, _path: &Path) -> Option<u32> {
        None
    }
}

/// The real surroundings.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Environment for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &str) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {LARGEST} bytes")));
        }
        Ok(text)
    }

    fn exists(&self, path: &str) -> bool {
        std::path::Path::new(path).exists()
    }

    fn is_directory(&self, path: &str) -> bool {
        std::path::Path::new(path).is_dir()
    }

    fn variables(&self) -> Vec<String> {
        world::System.variables()
    }

    fn read_large(&self, path: &Path) -> io::Result<String> {
        World::read(&world::System, path)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        world::System.mode(path)
    }
}
