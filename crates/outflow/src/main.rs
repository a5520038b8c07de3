//! The program: reads its words, runs the graph, and alone decides the exit code.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use outflow::cli::console::Console;
use outflow::cli::environment::System;
use outflow::cli::mistakes::{self, Paint};
use outflow::cli::{self, Command};
use outflow::error::SpecError;
use outflow::graph::run::{Surroundings, WORDS, run};
use outflow::graph::{Graph, ProgramOptions};
use outflow::monitor::board::Board;
use outflow::net::dial::SystemResolver;
use outflow::source::ffmpeg::{GUARD_WORD, exec_guard};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // A child of this program that is to become an ffmpeg bound to it: before anything else is done.
    if args.first().is_some_and(|word| word == GUARD_WORD) {
        let (code, problem) = exec_guard(args.into_iter().skip(1));
        complain(&format!("outflow: {problem}\n"));
        return ExitCode::from(code);
    }
    match cli::parse(&args, &System) {
        Ok(Command::Help(text)) => print(&text),
        Ok(Command::Version) => print(&format!("outflow {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Graph { graph, program, warnings }) => start(*graph, &program, &warnings),
        Err(errors) => {
            complain(&mistakes::render(&errors, Paint::for_stderr()));
            ExitCode::from(u8::try_from(WORDS).unwrap_or(2))
        }
    }
}

fn start(graph: Graph, program: &ProgramOptions, warnings: &[SpecError]) -> ExitCode {
    let board = Arc::new(Board::default());
    // One thread: the pump shares it with everything that waits. Files, encoders and the console have their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, console) = match (runtime, Console::start(board.clone(), program)) {
        (Ok(runtime), Ok(console)) => (runtime, console),
        (Err(error), _) | (_, Err(error)) => {
            complain(&format!("outflow: the system gives no threads or no events: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    for warning in warnings {
        console.say(mistakes::render_warning(warning, Paint::for_stderr()));
    }
    for note in &graph.notes {
        console.say(format!("outflow: {note}\n"));
    }
    if program.graph {
        console.say(graph.describe());
    }
    let around = Surroundings { board, events: console.events(), resolver: Arc::new(SystemResolver) };
    let code = runtime.block_on(run(graph, program, around));
    console.finish();
    // Threads that are stuck in a file or a look-up are not waited for.
    runtime.shutdown_background();
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    // A pager that was closed early is no failure.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
