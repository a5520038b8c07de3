//! The program: words in, exit code out. Everything else is in the library.

use std::sync::Arc;

use outflow::cli::environment::System;
use outflow::graph::run::{Surroundings, run};
use outflow::source::ffmpeg::{GUARD_WORD, exec_guard};

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> std::process::ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // A child of this program that is to become an ffmpeg bound to it: before anything else is done.
    if args.first().is_some_and(|word| word == GUARD_WORD) {
        let (code, problem) = exec_guard(args.into_iter().skip(1));
        eprintln!("outflow: {problem}");
        return std::process::ExitCode::from(code);
    }
    match outflow::cli::parse(&args, &System) {
        Ok(outflow::cli::Command::Graph { graph, program, warnings }) => {
            for warning in warnings {
                eprintln!("outflow: warning: {warning}");
            }
            let around = Surroundings {
                board: Arc::default(),
                events: Arc::new(|event| eprintln!("{event:?}")),
                resolver: Arc::new(outflow::net::dial::SystemResolver),
            };
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(_) => return std::process::ExitCode::FAILURE,
            };
            let code = runtime.block_on(run(*graph, &program, around));
            std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Ok(outflow::cli::Command::Help(text)) => {
            println!("{text}");
            std::process::ExitCode::SUCCESS
        }
        Ok(_) => std::process::ExitCode::SUCCESS,
        Err(errors) => {
            eprintln!("outflow: {errors}");
            std::process::ExitCode::from(2)
        }
    }
}
