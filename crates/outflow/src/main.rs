//! The program: reads its words, runs the graph, and alone decides the exit code.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use outflow::cli::console::Console;
use outflow::cli::environment::System;
use outflow::cli::mistakes::{self, Paint};
use outflow::cli::{self, Command};
use outflow::config::{self, Address, init::Starter};
use outflow::error::{Ended, SpecError};
use outflow::graph::run::{FAILED, Surroundings, WORDS, run};
use outflow::graph::{Graph, ProgramOptions};
use outflow::monitor::board::Board;
use outflow::monitor::{self, Event};
use outflow::net::dial::SystemResolver;
use outflow::preflight::Report;
use outflow::preflight::bandwidth::far::{self, FarSide};
use outflow::preflight::check::Check;
use outflow::serve::words::{self, Page};
use outflow::source::ffmpeg::{GUARD_WORD, exec_guard};
use tokio::runtime::Runtime;

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
        Ok(Command::Init { path, starter }) => write_first_file(&path, &starter),
        Ok(Command::Checked { text, warnings }) => {
            complain(&mistakes::render_config_doubts(&warnings, Paint::for_stderr()));
            print(&text)
        }
        Ok(Command::Misconfigured(list)) => {
            complain(&mistakes::render_config(&list, Paint::for_stderr()));
            ExitCode::from(u8::try_from(WORDS).unwrap_or(2))
        }
        Ok(Command::Probe(probe)) => {
            look(
                probe.json,
                move || async move { outflow::preflight::probe::probe(&probe, Arc::new(SystemResolver)).await },
            )
        }
        Ok(Command::Top(top)) => match outflow::top::run(&top, Arc::new(SystemResolver)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                complain(&format!("outflow: {text}\n"));
                ExitCode::FAILURE
            }
        },
        Ok(Command::Check { mut check, asks, doubts }) => {
            complain(&mistakes::render_doubts(&doubts, Paint::for_stderr()));
            if asks && !ask(&mut check) {
                return ExitCode::from(u8::try_from(WORDS).unwrap_or(2));
            }
            look(check.json, move || outflow::preflight::check::check(*check, Arc::new(SystemResolver)))
        }
        Ok(Command::FarSide(far)) => start_far_side(*far),
        Ok(Command::Serve(serve)) => {
            complain(&mistakes::render_config_doubts(&serve.warnings, Paint::for_stderr()));
            start_serve(*serve)
        }
        Ok(Command::Graph { graph, program, warnings }) => start(*graph, &program, &warnings),
        Err(errors) => {
            complain(&mistakes::render(&errors, Paint::for_stderr()));
            ExitCode::from(u8::try_from(WORDS).unwrap_or(2))
        }
    }
}

fn start(graph: Graph, program: &ProgramOptions, warnings: &[SpecError]) -> ExitCode {
    let board = Arc::new(Board::default());
    let Some((runtime, console)) = runtime(&board, program) else { return ExitCode::FAILURE };
    for warning in warnings {
        console.say(mistakes::render_warning(warning, Paint::for_stderr()));
    }
    for note in &graph.notes {
        console.say(format!("outflow: {note}\n"));
    }
    if program.graph {
        console.say(graph.describe());
    }
    let (events, page) = match page(program, &board, &console) {
        Ok((events, page)) => (events, page),
        Err(reason) => {
            (console.events())(Event::Failure { who: "-http".into(), reason });
            return end(runtime, console, FAILED);
        }
    };
    let around = Surroundings { board, events, resolver: Arc::new(SystemResolver) };
    let code = runtime.block_on(run(graph, program, around));
    if let Some(page) = page {
        page.end();
    }
    end(runtime, console, code)
}

/// API and page of a graph, if it is to have them, and where events go then. Bound before anything else is.
fn page(
    program: &ProgramOptions,
    board: &Arc<Board>,
    console: &Console,
) -> Result<(monitor::Sink, Option<Page>), Ended> {
    let Some(http) = &program.http else { return Ok((console.events(), None)) };
    let address = Address { ip: http.ip, port: http.port };
    let (events, page) = words::open(address, http.token.clone(), board, console.events())?;
    Ok((events, Some(page)))
}

fn start_serve(serve: cli::serve::Serve) -> ExitCode {
    let board = Arc::new(Board::default());
    let program = ProgramOptions { json: serve.json, logs: serve.logs, pump: serve.pump, ..ProgramOptions::default() };
    let Some((runtime, console)) = runtime(&board, &program) else { return ExitCode::FAILURE };
    let (overrides, path) = (serve.overrides, serve.path);
    let file = path.clone();
    let load: outflow::serve::Load = Arc::new(move || {
        if let Some(file) = file.as_ref().filter(|file| std::fs::metadata(file).is_ok_and(|about| about.len() == 0)) {
            // What a file looks like for a moment while it is written; to go on without any rule takes a restart.
            return Err(vec![format!("{}: the file is empty", file.display())]);
        }
        let loaded = config::read(&overrides, &config::world::System);
        let loaded = loaded.map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(loaded.config)
    });
    let look: Option<outflow::serve::Look> = path.map(|path| {
        let look: outflow::serve::Look = Arc::new(move || std::fs::read(&path).ok());
        look
    });
    let around = outflow::serve::Surroundings { board, events: console.events(), resolver: Arc::new(SystemResolver) };
    let code =
        runtime.block_on(outflow::serve::run(outflow::serve::Serve { config: serve.config, load, look }, around));
    end(runtime, console, code)
}

fn start_far_side(far: FarSide) -> ExitCode {
    let program = ProgramOptions { json: far.json, ..ProgramOptions::default() };
    let Some((runtime, console)) = runtime(&Arc::new(Board::default()), &program) else { return ExitCode::FAILURE };
    // With JSON on standard output, for people on the other.
    let json = far.json;
    let say = |text: &str| {
        if json {
            complain(text);
        } else {
            print(text);
        }
    };
    let code = runtime.block_on(far::serve(far, Arc::new(SystemResolver), console.events(), say));
    end(runtime, console, code)
}

/// One thread: the pump shares it with everything that waits. Files, encoders, the API and the console have their own.
fn runtime(board: &Arc<Board>, program: &ProgramOptions) -> Option<(Runtime, Console)> {
    program.pump.put();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match (runtime, Console::start(board.clone(), program)) {
        (Ok(runtime), Ok(console)) => Some((runtime, console)),
        (Err(error), _) | (_, Err(error)) => {
            complain(&format!("outflow: the system gives no threads or no events: {error}\n"));
            None
        }
    }
}

/// Runs a look before the show, prints what it found, and says by the exit code whether something fails.
fn look<F: Future<Output = Report>>(json: bool, looking: impl FnOnce() -> F) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("outflow: the system gives no events: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(async { looking().await });
    let text = if json { report.json() } else { cli::table(&report) };
    runtime.shutdown_background();
    let _ = print(&text);
    ExitCode::from(u8::try_from(report.exit_code()).unwrap_or(1))
}

/// Asks for each destination whether to publish there. False where there is nobody to ask.
fn ask(check: &mut Check) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        complain("outflow: --publish asks on a terminal, and there is none\n  name the outputs: --publish=NAME,...\n");
        return false;
    }
    for (name, url) in check.pushes() {
        complain(&format!("Publish to {name} ({url})? It may put the channel on air. [y/N] "));
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
            check.publish.push(name);
        }
    }
    true
}

fn end(runtime: Runtime, console: Console, code: i32) -> ExitCode {
    console.finish();
    // Threads that are stuck in a file or a look-up are not waited for.
    runtime.shutdown_background();
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Writes what `serve --init` made. A file that is there already is somebody's work and is left alone.
fn write_first_file(path: &Path, starter: &Starter) -> ExitCode {
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    match how.open(path).and_then(|mut file| file.write_all(starter.text.expose().as_bytes())) {
        Ok(()) => print(starter.say.expose()),
        Err(error) => {
            let hint = if error.kind() == std::io::ErrorKind::AlreadyExists {
                "it is left as it is; name another one with --init=FILE"
            } else {
                "name another one with --init=FILE"
            };
            complain(&format!("outflow: {} can't be written: {error}\n  {hint}\n", path.display()));
            ExitCode::FAILURE
        }
    }
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
