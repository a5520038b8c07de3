//! `outflow serve`: its flags, what it makes of them, and what `--check` and `--init` print and leave behind.

use std::ffi::OsString;
use std::io;
use std::process::Output;

use outflow::cli::environment::Environment;
use outflow::cli::serve::{FLAGS, Serve};
use outflow::cli::{Command, parse};
use outflow::config::overlay::Setting;

struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "OUTFLOW_HTTP").then(|| "127.0.0.1:4".into())
    }

    fn read(&self, path: &str) -> io::Result<String> {
        match path {
            "c.toml" => Ok("[listen]\nrtmp = \"127.0.0.1:1\"\n[[stream]]\nname = \"live/*\"\n".into()),
            "wrong.toml" => Ok("drian = 1\n".into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn exists(&self, _: &str) -> bool {
        false
    }

    fn is_directory(&self, _: &str) -> bool {
        false
    }
}

fn command(line: &str) -> Result<Command, outflow::error::SpecErrors> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(&args, &World)
}

fn serve(line: &str) -> Serve {
    match command(line) {
        Ok(Command::Serve(serve)) => *serve,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn flags_with_a_blank_or_an_equals_sign() {
    let plain = serve("serve");
    assert_eq!((plain.path, plain.json, plain.config.streams.len()), (None, false, 0));
    assert_eq!(plain.config.listen.rtmp.unwrap().to_string(), "127.0.0.1:1935");
    assert_eq!(plain.config.listen.http.unwrap().port, 4, "of the variable");
    for line in [
        "serve --config c.toml --http 127.0.0.1:2 --drain 9s --json --logs network@debug",
        "serve --config=c.toml --http=127.0.0.1:2 --drain=9s --json --logs=network@debug",
    ] {
        let serve = serve(line);
        assert_eq!(serve.path.as_deref(), Some("c.toml".as_ref()));
        assert_eq!((serve.config.listen.rtmp.unwrap().port, serve.config.listen.http.unwrap().port), (1, 2));
        assert_eq!((serve.config.drain.as_secs(), serve.json), (9, true));
        assert_eq!(serve.overrides.get(Setting::Drain), Some("9s"));
        assert_ne!(serve.logs, outflow::monitor::log::LogFilter::default());
    }
}

#[test]
fn wrong_flags() {
    for (line, index, problem, hint) in [
        ("serve --confg c.toml", 2, "no flag of serve", "`--config`"),
        ("serve --config", 2, "value is missing", "--config FILE"),
        ("serve --config --check", 2, "value is missing", "--config FILE"),
        ("serve --check=1", 2, "takes no value", "--check"),
        ("serve --json c.toml", 3, "flags only", "--config before the file"),
        ("serve check", 2, "flags only", "--check"),
        ("serve -config c.toml", 2, "no flag of serve", "`--config`"),
        ("serve --logs all@loud", 2, "no level", "quiet"),
        ("serve --init --rtmp nonsense", 0, "no address", ":1935"),
    ] {
        let errors = command(line).expect_err(line);
        let error = &errors.list[0];
        assert_eq!((error.word_index, errors.list.len()), (index, 1), "{line}\n{error}");
        assert!(error.problem.contains(problem), "{line}\n{error}");
        assert!(error.hint.as_deref().unwrap().contains(hint), "{line}\n{error}");
    }
    assert!(matches!(command("serve --config wrong.toml"), Ok(Command::Misconfigured(list)) if list[0].line() == 1));
    assert!(matches!(command("serve --rtmp :1935"), Ok(Command::Misconfigured(_))));
}

#[test]
fn help_names_every_flag() {
    for line in ["serve --help", "serve -h", "help serve"] {
        let Ok(Command::Help(text)) = command(line) else { panic!("{line}") };
        for flag in FLAGS {
            assert!(text.contains(&format!("--{}", flag.name)), "{line}: {}", flag.name);
        }
        assert!(text.contains("OUTFLOW_API_TOKEN"));
    }
    let Ok(Command::Help(text)) = command("help") else { panic!() };
    assert!(text.contains("outflow serve"));
    let Ok(Command::Help(text)) = command("completions bash") else { panic!() };
    assert!(text.contains("--state-file"));
}

/// Runs the program in `folder`, without variables of its own.
fn run(folder: &std::path::Path, words: &[&str]) -> Output {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_outflow"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTFLOW_")) {
        program.env_remove(name);
    }
    program.current_dir(folder).args(words).output().unwrap()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_first_file_is_written_once_and_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &["serve", "--init"]);
    assert_eq!((first.status.code(), shown(&first.stderr)), (Some(0), String::new()));
    let path = folder.path().join("outflow.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let key = text.split("publish_key = \"").nth(1).unwrap().split('"').next().unwrap();
    let said = shown(&first.stdout);
    assert!(said.contains("Server      rtmp://127.0.0.1:1935/live") && said.contains(key), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = run(folder.path(), &["serve", "--init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(shown(&again.stderr).contains("left as it is"), "{}", shown(&again.stderr));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let check = run(folder.path(), &["serve", "--config", "outflow.toml", "--check"]);
    let outcome = (check.status.code(), shown(&check.stdout), shown(&check.stderr));
    assert_eq!(outcome, (Some(0), "OK: 1 stream, 0 outputs\n".into(), String::new()));
}

#[test]
fn check_tells_mistakes_and_warnings_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "[[stream]]\nname = \"live\"\npublish_key = \"s3cret\"\n").unwrap();
    let check = run(folder.path(), &["serve", "--config=c.toml", "--check"]);
    assert_eq!((check.status.code(), shown(&check.stdout)), (Some(0), "OK: 1 stream, 0 outputs\n".into()));
    let told = shown(&check.stderr);
    assert!(told.contains("outflow: c.toml:2:8: warning: `live` is the app alone"), "{told}");
    std::fs::write(&path, "[[stream]]\nname = \"live/a\"\npublish_keys = \"s3cret\"\n").unwrap();
    let check = run(folder.path(), &["serve", "--config=c.toml", "--check"]);
    assert_eq!((check.status.code(), shown(&check.stdout)), (Some(2), String::new()));
    assert_eq!(
        shown(&check.stderr),
        "outflow: c.toml:3:1: there is no `publish_keys` in a stream\n\
         \x20 3 | publish_keys = \"****\"\n\
         \x20   | ^^^^^^^^^^^^\n\
         \x20 did you mean `publish_key`?\n"
    );
}
