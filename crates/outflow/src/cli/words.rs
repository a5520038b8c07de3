//! Words to typed nodes: which kind a word means, its URL, and its options checked against the kind's record.

use std::collections::BTreeSet;

use super::environment::Environment;
use super::preset::Preset;
use super::scan::{Direction, Global, Item};
use super::split::{Cut, Piece, cut_name, cut_url};
use super::{Registries, check, shown, typing};
use crate::error::SpecError;
use crate::graph::Role;
use crate::graph::link::{Declared, Reference};
use crate::node::url::MASK;
use crate::node::{MediaUrl, Node};
use crate::options::suggest::nearest;
use crate::options::{OptionSpec, Options, Value, defaults, known};
use crate::source::Produces;

/// What words are read against, and what was found wrong with them.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a dyn Environment,
    pub(super) registries: &'a Registries,
    pub(super) globals: Vec<Global>,
    pub(super) warnings: Vec<SpecError>,
    pub(super) errors: Vec<SpecError>,
    /// Files and directories that the words name rightly, but that are not there.
    pub(super) missing: Vec<SpecError>,
}

/// A word on its way to become a node.
pub(super) struct Word<'a> {
    pub(super) index: usize,
    /// What it begins with, secrets masked: URL or name.
    pub(super) head: String,
    /// What stands between head and options.
    pub(super) separator: &'a str,
    pub(super) pieces: Vec<Piece<'a>>,
    /// True if the text before the options can't be a part of them by mistake.
    pub(super) clear: bool,
    pub(super) url: Option<MediaUrl>,
}

impl Reader<'_> {
    /// Every word of the graph, in order.
    pub(super) fn read(&mut self, items: &[Item]) -> Vec<Declared> {
        let mut declared: Vec<Declared> = vec![];
        let mut links: Vec<(usize, &str, Reference)> = vec![];
        for item in items {
            let word = match item {
                Item::Back { index, text, back, kind } => {
                    links.push((*index, text, Reference::Back(*back, *kind)));
                    continue;
                }
                Item::Url { index, direction, text } => self.url_word(*index, *direction, text),
                Item::Named { index, text, after_url } => self.named_word(*index, text, *after_url),
            };
            let links = std::mem::take(&mut links);
            if let Some(mut word) = word {
                word.takes.extend(links.into_iter().map(|(_, _, link)| link));
                declared.push(word);
            }
        }
        if let Some((index, text, _)) = links.first() {
            let error =
                SpecError::new("no word follows the link").hint("`@` stands before the word that takes the media");
            self.errors.push(error.at(*index, *text));
        }
        declared
    }

    /// Globals that no word took.
    pub(super) fn unused_globals(&mut self, tables: &[&'static [OptionSpec]]) {
        for global in self.globals.iter().filter(|global| !global.used) {
            let piece = Piece::new(&global.text);
            let names = tables.iter().copied().flatten().map(|spec| spec.name);
            let known = tables.iter().copied().flatten().any(|spec| spec.is(piece.name));
            let (problem, hint) = if known {
                ("no word here takes this option", "it is offered to every word that has it".to_owned())
            } else {
                let list = "`outflow help options` lists the program's options, `outflow help NAME` those of a word";
                (
                    "no word and no program option has this name",
                    super::program::did_you_mean(piece.name, names).unwrap_or(list.into()),
                )
            };
            let word = format!("--{}{}", global.prefix, global.text);
            let shown = match global.after_url && !known {
                true => shown::dashed_after_url(&word, hint.starts_with("did you mean")),
                false => shown::dashed(&word),
            };
            self.errors.push(SpecError::new(problem).hint(hint).at(global.index, shown));
        }
    }

    pub(super) fn fail(
        &mut self,
        index: usize,
        word: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.errors.push(SpecError::new(problem).hint(hint).at(index, word));
    }

    fn url_word(&mut self, index: usize, direction: Direction, text: &str) -> Option<Declared> {
        let environment = self.environment;
        let (cut, indirect) = match text.strip_prefix("url=") {
            Some(place) if shown::indirect(place).is_some() => (cut_name(place), true),
            Some(url) => (cut_url(url, &|path| environment.exists(path)), false),
            None => (cut_url(text, &|path| environment.exists(path)), false),
        };
        let parse = match direction {
            Direction::Source => MediaUrl::new,
            Direction::Sink => MediaUrl::output,
        };
        if direction == Direction::Sink && !indirect && cut.separator.len() <= 1 {
            match self.preset(index, cut.head, cut.pieces()) {
                Err(()) => return None,
                Ok(Some(preset)) => return self.preset_word(index, preset),
                Ok(None) => {}
            }
        }
        let (url, head) = if indirect {
            match typing::fetch(environment, cut.head) {
                Ok(url) => {
                    let (how, place) = shown::indirect(cut.head).unwrap_or_default();
                    (parse(&url), format!("url={how}{}", shown::indirect_place(how, place)))
                }
                Err(error) => {
                    self.errors.push(error.at(index, "url="));
                    return None;
                }
            }
        } else {
            let url = parse(cut.head);
            let head = shown::printable(&url.shown);
            (url, head)
        };
        let before = self.errors.len();
        check::url(self, index, &head, direction, &url, &cut);
        if self.errors.len() > before {
            return None;
        }
        let word = Word {
            index,
            head,
            separator: cut.separator,
            pieces: cut.pieces(),
            clear: cut.escaped() || indirect || holds_no_key(cut.head),
            url: Some(url),
        };
        let role = self.role_of_url(&word, direction)?;
        self.declare(word, role)
    }

    /// A platform by its name.
    fn preset_word(&mut self, index: usize, preset: Preset<'_>) -> Option<Declared> {
        let Preset { platform, url, pieces } = preset;
        let url = MediaUrl::output(&url);
        let before = self.errors.len();
        let whole = Cut { head: url.raw.expose(), separator: "", rest: "" };
        check::url(self, index, platform.name, Direction::Sink, &url, &whole);
        if self.errors.len() > before {
            return None;
        }
        let separator = if pieces.is_empty() { "" } else { ":" };
        let word = Word { index, head: platform.name.into(), separator, pieces, clear: true, url: Some(url.clone()) };
        let mut declared = self.role_of_url(&word, Direction::Sink).and_then(|role| self.declare(word, role))?;
        let node = &mut declared.node;
        if !node.options.is_set("platform") {
            node.options.set("platform", Value::Text(platform.name.into()));
        }
        if !declared.named {
            node.name = platform.name.into();
        }
        Some(declared)
    }

    /// Whether a word is to listen: asked before its kind is known, since the kind depends on it.
    fn listens(&self, word: &Word<'_>) -> bool {
        let globals =
            self.globals.iter().filter(|global| global.target.is_none()).map(|global| Piece::new(&global.text));
        let mut asked =
            globals.chain(word.pieces.iter().copied()).filter(|piece| matches!(piece.name, "rtmp_listen" | "listen"));
        asked.next_back().is_some_and(|piece| {
            !piece.negated
                && !piece
                    .value
                    .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "0" | "no" | "false" | "off"))
        })
    }

    fn role_of_url(&mut self, word: &Word<'_>, direction: Direction) -> Option<Role> {
        let listens = self.listens(word);
        let url = word.url.as_ref()?;
        let found = match direction {
            Direction::Source => {
                self.registries.sources.iter().copied().find(|kind| (kind.accepts)(url, listens)).map(Role::Source)
            }
            Direction::Sink => {
                self.registries.sinks.iter().copied().find(|kind| (kind.accepts)(url, listens)).map(Role::Sink)
            }
        };
        if found.is_none() {
            let (problem, hint) = check::unknown_scheme(url, direction);
            let head = if url.scheme.is_some() { word.head.clone() } else { shown::path(&word.head) };
            self.fail(word.index, head, problem, hint);
        }
        found
    }

    fn named_word(&mut self, index: usize, text: &str, after_url: bool) -> Option<Declared> {
        let cut = cut_name(text);
        if let Some(codec) = cut.head.strip_prefix("c=") {
            return self.encoder_word(index, codec, cut, cut.pieces());
        }
        if cut.head == "enc" {
            let mut options = cut.pieces();
            let place = options.iter().position(|piece| piece.name == "c" && piece.value.is_some());
            let codec = place.map(|place| options.remove(place)).and_then(|piece| piece.value);
            let Some(codec) = codec else {
                self.fail(index, "enc", "it does not say which encoder", "write `c=avc` or `enc:c=avc`");
                return None;
            };
            return self.encoder_word(index, codec, cut, options);
        }
        let filter = self.registries.filters.iter().copied().find(|kind| kind.name == cut.head).map(Role::Filter);
        let source = self.registries.sources.iter().copied().find(|kind| kind.name == cut.head);
        let role = match (filter, source) {
            (Some(filter), _) => filter,
            (None, Some(kind)) if kind.produces == Produces::Raw => Role::Source(kind),
            (None, Some(_)) => {
                self.fail(index, shown::stray(text), "this source is used through its URL", "write `-i URL`");
                return None;
            }
            (None, None) => {
                self.stray_word(index, text, after_url);
                return None;
            }
        };
        let word = Word {
            index,
            head: cut.head.to_owned(),
            separator: cut.separator,
            pieces: cut.pieces(),
            clear: true,
            url: None,
        };
        self.declare(word, role)
    }

    fn encoder_word(&mut self, index: usize, codec: &str, cut: Cut<'_>, options: Vec<Piece<'_>>) -> Option<Declared> {
        let Some(kind) = self.registries.encoders.iter().copied().find(|kind| kind.name == codec) else {
            let names: Vec<&str> = self.registries.encoders.iter().map(|kind| kind.name).collect();
            let all = names.iter().map(|name| format!("c={name}")).collect::<Vec<_>>().join(", ");
            let meant = match codec {
                "h264" | "x264" | "libx264" | "openh264" | "libopenh264" | "h264_nvenc" | "264" => Some("avc"),
                "libfdk_aac" | "mp4a" | "aac-lc" => Some("aac"),
                // Codecs that are not offered are no slips of the ones that are.
                "hevc" | "h265" | "av1" | "vp8" | "vp9" | "vvc" | "ac3" | "eac3" | "opus" | "mp3" | "flac" => None,
                _ => nearest(codec, names.iter().copied()),
            };
            let hint = match meant.filter(|meant| names.contains(meant)) {
                _ if names.is_empty() => {
                    "this build has no encoders (it was built without the feature `encoders`)".to_owned()
                }
                Some(meant) => format!("did you mean `c={meant}`?"),
                None => format!("encoders here: {all}; other codecs pass as they are from a source that has them"),
            };
            let shown_codec = if codec.len() <= 20 { shown::printable(codec) } else { MASK.into() };
            self.fail(index, format!("c={shown_codec}"), "there is no such encoder", hint);
            return None;
        };
        let head = if cut.head == "enc" { format!("enc:c={codec}") } else { cut.head.to_owned() };
        let separator = if options.is_empty() { "" } else { ":" };
        let word = Word { index, head, separator, pieces: options, clear: true, url: None };
        self.declare(word, Role::Encoder(kind))
    }

    /// A word that is neither a kind nor anything else.
    fn stray_word(&mut self, index: usize, text: &str, after_url: bool) {
        let cut = cut_name(text);
        let registries = self.registries;
        let sinks = registries.sinks.iter().map(|kind| kind.name);
        if let Some(sink) = sinks.clone().find(|name| *name == cut.head) {
            let hint = format!("outputs begin with -o: `-o {sink}` or `-o URL`");
            return self.fail(index, sink, "an output needs -o", hint);
        }
        let mut names: BTreeSet<&str> = registries.filters.iter().map(|kind| kind.name).collect();
        names.extend(registries.sources.iter().filter(|kind| kind.produces == Produces::Raw).map(|kind| kind.name));
        names.insert("enc");
        let (problem, hint) = check::stray_word(text, cut.head, after_url, &names, self.environment);
        let url = crate::node::url::scheme_length(text).is_some();
        let shown = if after_url && !url && nearest(cut.head, names.iter().copied()).is_none() {
            MASK.to_owned()
        } else {
            shown::stray(text)
        };
        self.fail(index, shown, problem, hint);
    }

    /// Types the options of a word whose role is known.
    fn declare(&mut self, word: Word<'_>, role: Role) -> Option<Declared> {
        let kind_tables = match role {
            Role::Source(kind) => kind.options,
            Role::Filter(kind) => kind.options,
            Role::Encoder(kind) => kind.options,
            Role::Sink(kind) => kind.options,
        };
        let mut tables: Vec<&'static [OptionSpec]> = kind_tables.to_vec();
        tables.push(known::EVERY_WORD);
        tables.push(match role {
            Role::Source(_) => known::SOURCE,
            Role::Sink(_) => known::SINK,
            Role::Encoder(_) => known::ENCODER,
            Role::Filter(_) => &[],
        });
        let (text, spans) = typing::show(&word, &tables);
        let mut node = Node {
            index: word.index,
            word: text,
            kind: role.kind(),
            name: String::new(),
            url: word.url.clone(),
            options: Options::with_defaults(defaults(kind_tables)),
        };
        let before = self.errors.len();
        let typed = typing::type_options(self, &word, role, &tables, &mut node, &spans);
        if self.errors.len() == before {
            check::node(self, role, &node);
        }
        if self.errors.len() > before {
            return None;
        }
        let named = node.options.text("name");
        node.name = named.clone().unwrap_or_else(|| base_name(&node, role));
        Some(Declared { node, named: named.is_some(), role, id: typed.id, takes: typed.takes })
    }
}

/// True for words in the place of a URL that are whole: what follows them after `:` can't be the rest of a key.
fn holds_no_key(head: &str) -> bool {
    matches!(head, "null" | "-")
}

/// The name of a word that was given none: the host, the file, or the kind.
fn base_name(node: &Node, role: Role) -> String {
    let Some(url) = &node.url else { return role.kind().to_owned() };
    if let Some(path) = url.path() {
        let file = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path);
        return shown::printable(file);
    }
    if url.raw.expose().starts_with("lavfi:") {
        return "lavfi".into();
    }
    match url.host() {
        Some("") => "any".into(),
        Some(host) => shown::printable(host),
        None if url.raw.expose() == "-" => {
            if role.is_sink() {
                "stdout".into()
            } else {
                "stdin".into()
            }
        }
        None => shown::printable(&url.shown.replace(':', "-")),
    }
}
