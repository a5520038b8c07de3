//! Shell completions and the man page, from the same records as the parser.

use clap::{Arg, ArgAction, ValueHint};
use clap_complete::Shell;

use super::Registries;
use super::program::{OPTIONS, Takes};
use super::serve::FLAGS;
use crate::error::SpecError;
use crate::options::suggest::did_you_mean;

/// The shells that completions can be made for.
const SHELLS: &[(&str, Shell)] = &[
    ("bash", Shell::Bash),
    ("elvish", Shell::Elvish),
    ("fish", Shell::Fish),
    ("powershell", Shell::PowerShell),
    ("zsh", Shell::Zsh),
];

/// The command line as clap describes it. It is only printed from, never parsed with: the words have a grammar of their
/// own.
fn command(registries: &Registries) -> clap::Command {
    let mut words: Vec<&'static str> = registries.filters.iter().map(|kind| kind.name).collect();
    let raw = registries.sources.iter().filter(|kind| kind.produces == crate::source::Produces::Raw);
    words.extend(raw.map(|kind| kind.name));
    let mut command = clap::Command::new("outflow")
        .version(env!("CARGO_PKG_VERSION"))
        .about("sends one live stream to many RTMP destinations at once")
        .long_about(super::help::USAGE)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .subcommand_negates_reqs(true)
        .arg(Arg::new("i").short('i').value_name("URL").action(ArgAction::Append).help("a source"))
        .arg(Arg::new("o").short('o').value_name("URL").action(ArgAction::Append).help("an output"))
        .arg(
            Arg::new("word")
                .value_name("WORD")
                .action(ArgAction::Append)
                .value_parser(clap::builder::PossibleValuesParser::new(words))
                .help("a source, encoder or filter by name, with its options after `:`"),
        );
    for option in OPTIONS.iter().filter(|option| !matches!(option.name, "h" | "V")) {
        let arg = Arg::new(option.name).long(option.name).help(option.help);
        command = command.arg(match option.takes {
            Takes::Nothing => arg.action(ArgAction::SetTrue),
            Takes::Value(value) => arg.value_name(value),
            Takes::Maybe(value) => arg.value_name(value).num_args(0..=1).require_equals(true),
        });
    }
    let topics = || clap::builder::PossibleValuesParser::new(super::help::TOPICS.iter().copied());
    let shells = clap::builder::PossibleValuesParser::new(SHELLS.iter().map(|(name, _)| *name));
    let mut serve = clap::Command::new("serve").about("the relay: many streams on one port").disable_help_flag(true);
    for flag in FLAGS {
        let arg = Arg::new(flag.name).long(flag.name).help(flag.help);
        serve = serve.arg(match flag.value {
            "" => arg.action(ArgAction::SetTrue),
            "[=FILE]" => arg.value_name("FILE").value_hint(ValueHint::FilePath).num_args(0..=1).require_equals(true),
            "FILE" => arg.value_name("FILE").value_hint(ValueHint::FilePath),
            value => arg.value_name(value),
        });
    }
    for looking in super::looking::COMMANDS {
        let mut sub = clap::Command::new(looking.name).about(looking.summary).disable_help_flag(true);
        for flag in looking.flags {
            let arg = Arg::new(flag.name).long(flag.name).help(flag.help);
            sub = sub.arg(match flag.value {
                "" => arg.action(ArgAction::SetTrue),
                "FILE" => arg.value_name("FILE").value_hint(ValueHint::FilePath),
                optional if optional.starts_with('[') => {
                    arg.value_name(optional.trim_matches(['[', ']', '='])).num_args(0..=1).require_equals(true)
                }
                value => arg.value_name(value),
            });
        }
        command = command.subcommand(sub);
    }
    command
        .disable_help_subcommand(true)
        .subcommand(serve)
        .subcommand(
            clap::Command::new("help")
                .about("tells about words and options")
                .arg(Arg::new("topic").value_parser(topics()))
                .arg(Arg::new("name")),
        )
        .subcommand(
            clap::Command::new("completions")
                .about("prints completions for a shell")
                .arg(Arg::new("shell").value_parser(shells)),
        )
        .subcommand(clap::Command::new("man").about("prints the man page"))
}

/// `outflow completions SHELL`
pub(super) fn completions(registries: &Registries, words: &[String]) -> Result<String, SpecError> {
    let names = || SHELLS.iter().map(|(name, _)| *name);
    let all = names().collect::<Vec<_>>().join(", ");
    let [name] = words else {
        return Err(SpecError::new("it wants the name of one shell").hint(format!("shells are {all}")));
    };
    let Some((_, shell)) = SHELLS.iter().find(|(known, _)| known == name) else {
        let hint = did_you_mean(name, names()).unwrap_or_else(|| format!("shells are {all}"));
        return Err(SpecError::new("there are no completions for this shell").hint(hint));
    };
    let mut text = vec![];
    clap_complete::generate(*shell, &mut command(registries), "outflow", &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `outflow man`
pub(super) fn man(registries: &Registries) -> Result<String, SpecError> {
    let mut text = vec![];
    let page = clap_mangen::Man::new(command(registries));
    page.render(&mut text).map_err(|error| SpecError::new(format!("the man page can't be made: {error}")))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(".SH WORDS AND OPTIONS\n.nf\n");
    for line in super::help::every_kind(registries).lines() {
        // A line that begins with a dot or quote would be read as a macro.
        text.push_str("\\&");
        text.push_str(&line.replace('\\', "\\e").replace('-', "\\-"));
        text.push('\n');
    }
    text.push_str(".fi\n");
    Ok(text)
}
