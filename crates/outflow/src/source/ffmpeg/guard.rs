//! The guard of a child process: this program again, which asks the kernel to be killed with its parent and then becomes
//! the child. So no `ffmpeg` is left behind, even when this program is killed and can do nothing any more.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The first argument by which `main` knows that it is to be the guard.
pub const GUARD_WORD: &str = "__exec-guard";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says which program is the guard, where that is not the running one: for programs that have this library within them
/// and no [`GUARD_WORD`] of their own, such as tests. Only the first call counts.
pub fn guard_with(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// The program that is the guard.
pub(super) fn guard_program() -> std::io::Result<PathBuf> {
    PROGRAM.get().map_or_else(std::env::current_exe, |program| Ok(program.clone()))
}

/// The exit code where the child could not be started.
const NOT_STARTED: u8 = 127;

/// Becomes the program that the arguments name: `PARENT-PID PROGRAM ARGUMENTS...`. Returns only where that fails, with
/// an exit code and the reason. The kernel's request outlives `exec`. It is bound to the *thread* that started the
/// child, so that children must be started by a thread that lives as long as the program: the main thread.
pub fn exec_guard(mut arguments: impl Iterator<Item = OsString>) -> (u8, String) {
    let parent = arguments.next().and_then(|text| text.to_str().and_then(|text| text.parse::<i32>().ok()));
    let (Some(parent), Some(program)) = (parent, arguments.next()) else {
        return (2, format!("{GUARD_WORD} is for this program's own use"));
    };
    if let Err(error) = die_with_parent() {
        return (NOT_STARTED, format!("the child can't be bound to this program: {error}"));
    }
    // It may have died before the request was made: then nobody would ever end the child.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return (NOT_STARTED, "the program that wanted a child is gone".to_owned());
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    (NOT_STARTED, format!("{}: {error}", program.display()))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn die_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(Into::into)
}

/// Elsewhere the child ends when it next writes to the pipe that nobody reads any more.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn die_with_parent() -> std::io::Result<()> {
    Ok(())
}
