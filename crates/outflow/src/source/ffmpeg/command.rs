//! The arguments for `ffmpeg`: always a vector, never a shell.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::SpecError;
use crate::node::Node;
use crate::secret::Secret;

/// What to run.
pub(super) struct Command {
    program: PathBuf,
    input: Secret,
    shown: String,
    format: Option<String>,
    video: String,
    audio: String,
    at_own_pace: bool,
    /// The input is a file of this machine, or made by ffmpeg itself: no device, nothing of the network.
    here: bool,
}

impl Command {
    /// From a word of the graph.
    pub(super) fn new(node: &Node) -> Result<Self, SpecError> {
        let url = node.url.as_ref().ok_or_else(|| node.error("no input is named: write -i URL"))?;
        let raw = url.raw.expose();
        if raw.is_empty() || raw.contains('\0') {
            return Err(node.error("the input's name is empty or has a zero byte"));
        }
        let scheme = url.scheme.as_deref();
        let local = url.path();
        // `lavfi:` is a word of ours for ffmpeg's test sources: -f lavfi -i REST.
        let lavfi = raw.strip_prefix("lavfi:");
        let option = |name: &str| node.options.text(name).filter(|text| !text.is_empty());
        let format = option("format").or_else(|| lavfi.map(|_| "lavfi".to_owned()));
        let device = format.is_some();
        if let (Some(path), false) = (local, device) {
            super::super::file::check_readable(node, Path::new(path))?;
        }
        let name = option("ffmpeg").unwrap_or_else(|| "ffmpeg".to_owned());
        let program = find_program(&name).ok_or_else(|| {
            let error = match scheme {
                Some(scheme) => format!("{scheme}:// is opened by your own ffmpeg, and no `{name}` was found"),
                None => format!("this file is opened by your own ffmpeg, and no `{name}` was found"),
            };
            node.error(error).hint("install ffmpeg, name it with ffmpeg=PATH, or give an FLV or MP4 file")
        })?;
        let at_own_pace = match option("re").as_deref() {
            Some("yes") => true,
            Some("no") => false,
            // Devices have their own pace; test sources and files have none.
            _ => lavfi.is_some() || (local.is_some() && !device),
        };
        // A path that begins with a dash, or holds a colon, would be taken for something else.
        let input = match (lavfi, local) {
            (Some(rest), _) => rest.to_owned(),
            (None, Some(path)) if !device => format!("file:{path}"),
            _ => raw.to_owned(),
        };
        Ok(Self {
            program,
            input: Secret::new(input),
            shown: url.shown.clone(),
            format,
            video: codec(node, "vcodec", lavfi.map(|_| "libx264"))?,
            audio: codec(node, "acodec", lavfi.map(|_| "aac"))?,
            at_own_pace,
            here: lavfi.is_some() || (local.is_some() && !device),
        })
    }

    /// The program.
    pub(super) fn program(&self) -> std::path::Display<'_> {
        self.program.display()
    }

    /// The input for people.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// True for an input that is the same at every attempt.
    pub(super) fn is_here(&self) -> bool {
        self.here
    }

    /// Program and arguments; `realtime` false lets it run as fast as it can.
    pub(super) fn arguments(&self, realtime: bool) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.program.clone().into_os_string()];
        let mut add = |texts: &[&str]| words.extend(texts.iter().map(OsString::from));
        add(&["-hide_banner", "-nostdin", "-loglevel", "error"]);
        if realtime && self.at_own_pace {
            add(&["-re"]);
        }
        if let Some(format) = &self.format {
            add(&["-f", format]);
        }
        add(&["-i", self.input.expose()]);
        for (codec, option, none) in [(&self.video, "-c:v", "-vn"), (&self.audio, "-c:a", "-an")] {
            match codec.as_str() {
                "none" => add(&[none]),
                codec => add(&[option, codec]),
            }
        }
        // Key frames often enough for joiners, where it encodes; subtitles and data have no place in FLV.
        if !matches!(self.video.as_str(), "copy" | "none") {
            add(&["-g", "50"]);
        }
        add(&["-sn", "-dn", "-flvflags", "no_duration_filesize", "-f", "flv", "pipe:1"]);
        words
    }

    /// Takes the input's URL out of what ffmpeg said: it repeats it, with whatever secret it holds.
    pub(super) fn mask(&self, said: &str) -> String {
        // Whose words they are is told before them.
        let said = said.replace(&format!("{}: ", self.input.expose()), "");
        let mut said = said.replace(self.input.expose(), &self.shown);
        // Parts of it too: ffmpeg's protocols print host and path on their own.
        if let Some((_, query)) = self.input.expose().split_once('?').filter(|(_, query)| query.len() > 3) {
            said = said.replace(query, "****");
        }
        let authority = self.input.expose().split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
        if let Some((user, _)) =
            authority.and_then(|authority| authority.rsplit_once('@')).filter(|(user, _)| !user.is_empty())
        {
            said = said.replace(user, "****");
            if let Some((_, password)) = user.split_once(':').filter(|(_, password)| !password.is_empty()) {
                said = said.replace(password, "****");
            }
        }
        said
    }
}

/// A codec name as ffmpeg has them: nothing that it could take for an option. `raw` is the encoder of an input that has
/// no packets to copy.
fn codec(node: &Node, option: &str, raw: Option<&str>) -> Result<String, SpecError> {
    if let Some(encoder) = raw.filter(|_| !node.options.is_set(option)) {
        return Ok(encoder.to_owned());
    }
    let name = node.options.text(option).filter(|name| !name.is_empty()).unwrap_or_else(|| "copy".to_owned());
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(name);
    }
    Err(node
        .option_error(option, format!("`{name}` is no codec name: copy, none, or an encoder such as libx264 or aac")))
}

/// A path as it is; a name looked up in PATH.
fn find_program(name: &str) -> Option<PathBuf> {
    let runs = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        let path = PathBuf::from(name);
        return runs(&path).then_some(path);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| runs(path))
}
