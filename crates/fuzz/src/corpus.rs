//! The committed corpus: one file for each target, since thousands of files of some bytes would drown the repository.
//!
//! A file is a sequence of inputs, each after its length (u32, big-endian).
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the corpus of a target is.
pub fn path(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{target}.corpus"))
}

/// The inputs in a file of the corpus; none if there is no such file.
pub fn read(target: &str) -> Vec<Vec<u8>> {
    let file = fs::read(path(target)).unwrap_or_default();
    let (mut inputs, mut rest) = (Vec::new(), &file[..]);
    while let Some((length, tail)) = rest.split_first_chunk() {
        let (input, tail) = tail.split_at((u32::from_be_bytes(*length) as usize).min(tail.len()));
        inputs.push(input.to_vec());
        rest = tail;
    }
    inputs
}

/// Makes one file of every file in `folder`, the shortest first, as far as `most` bytes go; says how many went in.
///
/// # Errors
/// A file cannot be read or written.
pub fn pack(target: &str, folder: &Path, most: usize) -> io::Result<usize> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let (mut file, mut count) = (Vec::new(), 0);
    for input in inputs {
        if file.len() + 4 + input.len() > most {
            break;
        }
        file.extend_from_slice(&(input.len() as u32).to_be_bytes());
        file.extend_from_slice(&input);
        count += 1;
    }
    let path = path(target);
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, file)?;
    Ok(count)
}

/// Writes the corpus and the seeds of a target into `folder`, one file for each.
///
/// # Errors
/// A file cannot be written.
pub fn unpack(target: &crate::Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in read(target.name).into_iter().chain((target.seeds)()).enumerate() {
        fs::write(folder.join(format!("seed-{number:05}")), input)?;
    }
    Ok(())
}
