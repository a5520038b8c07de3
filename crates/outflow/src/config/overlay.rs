//! What counts: a flag before an `OUTFLOW_*` variable, before the file, before the default.

use std::path::{Path, PathBuf};

use super::document::{self, Node};
use super::file::Draft;
use super::reader::{At, Reader, folder_of};
use super::values::{self, DefaultPort};
use super::world::World;
use super::{Loaded, Mistake, Tls, checks, syntax};
use crate::options::suggest::nearest;
use crate::options::{Type, Value, value};

/// A value that a flag or a variable may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The file.
    Config,
    /// The RTMP address.
    Rtmp,
    /// The RTMPS address.
    Rtmps,
    /// The address of API and web page.
    Http,
    /// The certificate.
    TlsCert,
    /// Its key.
    TlsKey,
    /// The token of the API.
    ApiToken,
    /// The state file.
    StateFile,
    /// How long a stop may take.
    Drain,
}

/// All of them: setting, flag, variable. The token has no flag: the whole machine may read flags.
pub const SETTINGS: &[(Setting, &str, &str)] = &[
    (Setting::Config, "--config", "OUTFLOW_CONFIG"),
    (Setting::Rtmp, "--rtmp", "OUTFLOW_RTMP"),
    (Setting::Rtmps, "--rtmps", "OUTFLOW_RTMPS"),
    (Setting::Http, "--http", "OUTFLOW_HTTP"),
    (Setting::TlsCert, "--tls-cert", "OUTFLOW_TLS_CERT"),
    (Setting::TlsKey, "--tls-key", "OUTFLOW_TLS_KEY"),
    (Setting::ApiToken, "", "OUTFLOW_API_TOKEN"),
    (Setting::StateFile, "--state-file", "OUTFLOW_STATE_FILE"),
    (Setting::Drain, "--drain", "OUTFLOW_DRAIN"),
];

/// Variables of the project's own tests.
const OF_TESTS: &[&str] = &["OUTFLOW_PEERS_DIR", "OUTFLOW_NO_INSTALL", "OUTFLOW_PEERS_LOG", "OUTFLOW_WRITE_DOCS"];

/// What the flags say, kept so that a reload reads everything anew in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides(Vec<(Setting, String)>);

impl Overrides {
    /// Records a flag; a later one wins.
    pub fn set(&mut self, setting: Setting, text: impl Into<String>) {
        self.0.retain(|(known, _)| *known != setting);
        self.0.push((setting, text.into()));
    }

    /// What a flag says.
    pub fn get(&self, setting: Setting) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == setting).map(|(_, text)| text.as_str())
    }

    /// Flags over variables, and what each is called. An empty variable is none: that is how they are switched off.
    fn with(&self, world: &dyn World) -> Vec<(Setting, String, &'static str)> {
        let said = |(setting, flag, variable): &(Setting, &'static str, &'static str)| {
            let flag = self.get(*setting).map(|text| (*setting, text.to_owned(), *flag));
            let variable = || Some((*setting, world.variable(variable).filter(|text| !text.is_empty())?, *variable));
            flag.or_else(variable)
        };
        SETTINGS.iter().filter_map(said).collect()
    }
}

/// The file that flags and variables name, if they name one.
pub fn config_path(overrides: &Overrides, world: &dyn World) -> Option<PathBuf> {
    let said = overrides.with(world).into_iter().find(|(setting, ..)| *setting == Setting::Config);
    said.map(|(_, text, _)| PathBuf::from(text))
}

/// Reads everything that `serve` is told: flags, `OUTFLOW_*` variables, and the file that they name, if they name one.
/// A reload calls it again with the same flags.
pub fn read(overrides: &Overrides, world: &dyn World) -> Result<Loaded, Vec<Mistake>> {
    match config_path(overrides, world) {
        Some(path) => load_with(&path, overrides, world, true),
        None => build("outflow serve", "", PathBuf::new(), overrides, world, true),
    }
}

pub(super) fn load(path: &Path, overrides: &Overrides, world: &dyn World) -> Result<Loaded, Vec<Mistake>> {
    load_with(path, overrides, world, false)
}

pub(super) fn parse(text: &str, name: &str, world: &dyn World) -> Result<Loaded, Vec<Mistake>> {
    build(name, text, folder_of(Path::new(name)), &Overrides::default(), world, false)
}

fn load_with(path: &Path, overrides: &Overrides, world: &dyn World, all: bool) -> Result<Loaded, Vec<Mistake>> {
    let name = path.display().to_string();
    let text = world.read(path).map_err(|error| {
        let hint = "name the file with --config FILE; `outflow serve --init` writes one";
        vec![Mistake::named(&name, format!("the file can't be read: {error}"), hint)]
    })?;
    build(&name, &text, folder_of(path), overrides, world, all)
}

/// `all`: with variables and flags.
fn build(
    name: &str,
    text: &str,
    folder: PathBuf,
    overrides: &Overrides,
    world: &dyn World,
    all: bool,
) -> Result<Loaded, Vec<Mistake>> {
    let mut reader = Reader::new(name, text, folder, world);
    let (root, broken) = document::parse(text);
    reader.broken = !broken.is_empty();
    let mut draft = reader.file(&root);
    if all {
        overlay(&mut draft, overrides, &mut reader);
        unknown_variables(&mut reader);
    }
    if reader.broken {
        reader.keep_off(&broken);
        for error in broken {
            let mend = syntax::mend(text, &error.span, &error.problem);
            let problem = error.problem.strip_suffix(", expected nothing").unwrap_or(&error.problem);
            reader.wrong(&error.span, problem, mend);
        }
    } else {
        checks::all(&mut draft, &mut reader);
    }
    finish(reader, &root, draft)
}

fn finish(reader: Reader<'_>, root: &Node, draft: Draft) -> Result<Loaded, Vec<Mistake>> {
    let clean = reader.is_clean();
    let secrets = reader.secrets.clone();
    let (mistakes, warnings) = reader.finish(root);
    if !clean {
        return Err(mistakes);
    }
    let mut config = draft.config;
    config.secrets = secrets;
    Ok(Loaded { config, warnings })
}

/// Puts flags and variables over what the file says.
fn overlay(draft: &mut Draft, overrides: &Overrides, reader: &mut Reader<'_>) {
    let (mut cert, mut key) = (None, None);
    for (setting, text, name) in overrides.with(reader.world) {
        let at = At::Named(name.to_owned());
        let config = &mut draft.config;
        match setting {
            Setting::Config => {}
            Setting::Rtmp => address(&mut config.listen.rtmp, &mut draft.rtmp, at, &text, DefaultPort::Rtmp, reader),
            Setting::Rtmps => {
                address(&mut config.listen.rtmps, &mut draft.rtmps, at, &text, DefaultPort::Rtmps, reader)
            }
            Setting::Http => address(&mut config.listen.http, &mut draft.http, at, &text, DefaultPort::Http, reader),
            Setting::TlsCert => cert = Some((PathBuf::from(text), at)),
            Setting::TlsKey => key = Some((PathBuf::from(text), at)),
            Setting::ApiToken => match value::parse(Type::Secret, &text) {
                Ok(Value::Secret(token)) => config.api.token = Some(token),
                Ok(_) => {}
                Err(error) => reader.wrong_at(at, error.problem, error.hint.unwrap_or_default()),
            },
            Setting::StateFile => config.state_file = Some(PathBuf::from(text)),
            Setting::Drain => match value::duration(&text) {
                Ok(drain) => config.drain = drain,
                Err(error) => reader.wrong_at(at, error.problem, error.hint.unwrap_or_default()),
            },
        }
    }
    let file = draft.config.tls.take();
    let (file_cert, file_key) = file.map_or((None, None), |tls| (Some(tls.cert), Some(tls.key)));
    let lone = cert.as_ref().or(key.as_ref()).map(|(_, at)| at.clone());
    if let Some((_, at)) = &cert {
        draft.cert = at.clone();
    }
    if let Some((_, at)) = &key {
        draft.key = at.clone();
    }
    let cert = cert.map(|(path, _)| path).or(file_cert);
    let key = key.map(|(path, _)| path).or(file_key);
    draft.config.tls = match (cert, key, lone) {
        (Some(cert), Some(key), _) => Some(Tls { cert, key }),
        (None, None, _) | (_, _, None) => None,
        (_, _, Some(at)) => {
            reader.wrong_at(at, "a certificate and its key come together", "name both files");
            None
        }
    };
}

fn address(
    slot: &mut Option<super::Address>,
    place: &mut At,
    at: At,
    text: &str,
    default: DefaultPort,
    reader: &mut Reader<'_>,
) {
    match values::address(text, default) {
        Ok(address) => (*slot, *place) = (address, at),
        Err((problem, hint)) => reader.wrong_at(at, problem, hint),
    }
}

/// Variables that begin like ours and are none: a slip there would be found by nobody.
fn unknown_variables(reader: &mut Reader<'_>) {
    let known = || SETTINGS.iter().map(|(_, _, variable)| *variable);
    let mut names = reader.world.variables();
    names.retain(|name| name.starts_with("OUTFLOW_"));
    names.sort();
    for name in names {
        let ours = known().any(|known| known == name) || OF_TESTS.contains(&name.as_str());
        // The file may keep its keys in variables of such names.
        if ours || reader.variables.contains(&name) {
            continue;
        }
        let hint = nearest(&name, known()).map_or_else(
            || format!("variables are {}", known().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        reader.warn_at(At::Named(name), "no variable of this name is known here", hint);
    }
}
