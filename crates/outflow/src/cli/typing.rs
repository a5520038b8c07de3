//! The options of a word: shown without secrets, fetched where they stand elsewhere, and typed by the kind's record.

use std::ops::Range;

use super::environment::Environment;
use super::scan::parse_fragment;
use super::shown;
use super::split::Piece;
use super::unfilled;
use super::words::{Reader, Word};
use crate::error::SpecError;
use crate::graph::Role;
use crate::graph::link::Reference;
use crate::node::url::MASK;
use crate::node::{MediaUrl, Node};
use crate::options::suggest::nearest;
use crate::options::{OptionSpec, Type, Value, known, track, value};

/// Keywords of GPAC between URL and options, without meaning of their own.
const KEYWORDS: &[&str] = &["gpac", "gfopt", "gfloc"];

/// What of a word is for its links.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub(super) id: Option<String>,
    pub(super) takes: Vec<Reference>,
    /// The options that it has given itself: what comes from globals may be said otherwise.
    said: Vec<&'static str>,
}

fn find(tables: &[&'static [OptionSpec]], name: &str) -> Option<&'static OptionSpec> {
    crate::options::find(tables, name)
}

fn names<'a>(tables: &'a [&'static [OptionSpec]]) -> impl Iterator<Item = &'static str> + 'a {
    tables.iter().copied().flatten().flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()))
}

/// The word as it may be shown, and where each option stands in it.
pub(super) fn show(word: &Word<'_>, tables: &[&'static [OptionSpec]]) -> (String, Vec<Range<usize>>) {
    let mut text = format!("{}{}", word.head, word.separator);
    let mut spans = vec![];
    for (number, piece) in word.pieces.iter().enumerate() {
        if number > 0 {
            text.push(':');
        }
        let start = text.len();
        text.push_str(&show_piece(piece, word.clear, tables));
        // Of an option that is not there the colon is shown.
        spans.push(if start == text.len() { start.saturating_sub(1)..start } else { start..text.len() });
    }
    (text, spans)
}

fn show_piece(piece: &Piece<'_>, clear: bool, tables: &[&'static [OptionSpec]]) -> String {
    let mark = if piece.negated { "!" } else { "" };
    if let Some(spec) = find(tables, piece.name) {
        return match piece.value {
            Some(value) => format!("{mark}{}={}", piece.name, shown::value(spec, value)),
            None => format!("{mark}{}", piece.name),
        };
    }
    let refused = known::REFUSED.iter().chain(known::MENDED).any(|(name, _)| *name == piece.name);
    let keyword = KEYWORDS.contains(&piece.name) || refused;
    let format = known::FORMAT.contains(&piece.name);
    let near = nearest(piece.name, names(tables)).is_some();
    if piece.name.is_empty() && piece.value.is_none() {
        return mark.to_owned();
    }
    let name = if keyword || format || (shown::is_name(piece.name) && (clear || near)) { piece.name } else { MASK };
    match piece.value {
        Some(value) if format && value.len() <= 8 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{mark}{name}={value}")
        }
        Some(_) => format!("{mark}{name}={MASK}"),
        None => format!("{mark}{name}"),
    }
}

/// Reads a value that stands elsewhere: `file@PATH`, `env@VAR`, `fd@N`. One line break at the end is dropped.
pub(super) fn fetch(environment: &dyn Environment, value: &str) -> Result<String, SpecError> {
    let Some((how, place)) = shown::indirect(value) else { return Ok(value.to_owned()) };
    let seen = shown::indirect_place(how, place);
    let text = match how {
        "env@" => environment.variable(place).ok_or_else(|| {
            SpecError::new(format!("the environment variable {seen} is not set"))
                .hint("set it and export it; write its name without `$`")
        })?,
        "fd@" => {
            if place.is_empty() || !place.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(
                    SpecError::new("what follows fd@ is not a number").hint("write fd@3, and open it with `3<FILE`")
                );
            }
            let read = environment.read(&format!("/dev/fd/{place}"));
            read.map_err(|error| {
                SpecError::new(format!("descriptor {seen} can't be read: {error}"))
                    .hint("open it in the shell with `3<FILE`")
            })?
        }
        _ => environment.read(place).map_err(|error| {
            SpecError::new(format!("the file {seen} can't be read: {error}"))
                .hint("write file@PATH, without `:` in the path")
        })?,
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(SpecError::new(format!("{how}{seen} is empty")).hint("put the value there"));
    }
    Ok(text.to_owned())
}

/// Types every option that the word has, and the globals that fit it, into `node`.
pub(super) fn type_options(
    reader: &mut Reader<'_>,
    word: &Word<'_>,
    role: Role,
    tables: &[&'static [OptionSpec]],
    node: &mut Node,
    spans: &[Range<usize>],
) -> Typed {
    let mut typed = Typed::default();
    apply_globals(reader, word, role, tables, node);
    let empty = |piece: &Piece<'_>| piece.name.is_empty() && piece.value.is_none();
    let first_empty = word.pieces.iter().position(empty);
    for (number, (piece, span)) in word.pieces.iter().zip(spans).enumerate() {
        if empty(piece) && first_empty != Some(number) {
            continue;
        }
        let cut = tracks_cut_short(&word.pieces, number).filter(|_| find(tables, "tracks").is_some());
        let result = match cut {
            // Told at the first of the pieces.
            Some((first, _)) if first + 1 != number => continue,
            Some((_, whole)) => Err(SpecError::new("the colon before it has ended `tracks=`")
                .hint(format!("put a value with a colon between double ones: write ::tracks={whole}::"))),
            None => type_piece(reader, word, role, tables, node, &mut typed, piece),
        };
        if let Err(mut error) = result {
            error.span.get_or_insert(span.clone());
            reader.errors.push(error.at(node.index, node.word.clone()));
        }
    }
    typed
}

/// Where this piece is the rest of a `tracks=` that a colon has ended, as in `tracks=video,audio:1`: the number of that
/// piece, and the value that is meant, or an example where it would not be right either.
fn tracks_cut_short(pieces: &[Piece<'_>], number: usize) -> Option<(usize, String)> {
    let begins = |piece: &Piece<'_>| piece.name.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-');
    let is_rest = |piece: &Piece<'_>| piece.value.is_none() && !piece.negated && begins(piece);
    let rest = pieces.iter().take(number + 1).rev().take_while(|piece| is_rest(piece)).count();
    let first = (number + 1).checked_sub(rest + 1).filter(|_| rest > 0)?;
    let piece = pieces.get(first).filter(|piece| piece.name == "tracks" && !piece.negated)?;
    let mut whole = piece.value?.to_owned();
    for piece in pieces.iter().skip(first + 1).take_while(|piece| is_rest(piece)) {
        whole = format!("{whole}:{}", piece.name);
    }
    let is_right = value::list(&whole).iter().all(|name| track::parse(name).is_ok());
    Some((first, if is_right { whole } else { "video,audio:1".into() }))
}

fn apply_globals(
    reader: &mut Reader<'_>,
    word: &Word<'_>,
    role: Role,
    tables: &[&'static [OptionSpec]],
    node: &mut Node,
) {
    let own_name =
        word.pieces.iter().rev().find(|piece| matches!(piece.name, "name" | "N")).and_then(|piece| piece.value);
    let scheme = word.url.as_ref().and_then(|url| url.scheme.as_deref());
    let mut said: Vec<(&str, Option<String>, String, Value)> = Vec::new();
    for number in 0..reader.globals.len() {
        let global = &reader.globals[number];
        let wanted = global.target.as_deref().is_none_or(|target| {
            let encoder = target == "enc" && matches!(role, Role::Encoder(_));
            encoder || target == role.kind() || Some(target) == own_name || Some(target) == scheme
        });
        let (text, prefix, target) = (global.text.clone(), global.prefix.clone(), global.target.clone());
        let index = global.index;
        let piece = Piece::new(&text);
        if !wanted {
            continue;
        }
        let Some(spec) = find(tables, piece.name) else {
            if known::FORMAT.contains(&piece.name) && word.url.is_some() {
                reader.globals[number].used = true;
                if let Err(error) = format_name(reader, word, role, node, &piece) {
                    let shown = show_piece(&piece, true, tables);
                    let error = error.at(index, format!("--{prefix}{shown}"));
                    reader.errors.extend((!reader.errors.contains(&error)).then_some(error));
                }
            }
            continue;
        };
        // `--profile=baseline` is for the encoders that know it.
        if of_another_encoder(reader, role, spec, &piece) {
            continue;
        }
        if matches!(spec.name, "FID" | "SID" | "name") {
            continue;
        }
        reader.globals[number].used = true;
        let environment = reader.environment;
        let at = |error: SpecError| {
            let shown = piece.value.map_or(String::new(), |value| format!("={}", shown::value(spec, value)));
            error.field(spec.name).at(index, format!("--{prefix}{}{shown}", piece.name))
        };
        let (list, outcome) = if spec.ignored {
            (&mut reader.warnings, Some(at(SpecError::new(format!("it has no effect: {}", spec.help)))))
        } else {
            // `--rtmp_push:max_lag=1s` may well say otherwise than `--max_lag=2s`: it is for fewer.
            let before = said.iter().find(|(name, of, ..)| *name == spec.name && *of == target);
            match (typed_value(environment, spec, &piece), before) {
                (Ok(value), Some((.., first, other))) if value != *other => {
                    // It names the option itself.
                    let error = SpecError { field: None, ..at(contradicts(first, piece.name)) };
                    (&mut reader.errors, Some(error))
                }
                (Ok(value), _) => {
                    said.push((spec.name, target, piece.name.to_owned(), value.clone()));
                    node.options.set(spec.name, value);
                    continue;
                }
                (Err(error), _) => (&mut reader.errors, Some(at(error))),
            }
        };
        // The same global is told once, however many words take it.
        let told = |error: &SpecError| list.iter().any(|other| other.word_index == index && other.field == error.field);
        let new = outcome.filter(|error| !told(error));
        list.extend(new);
    }
}

/// True for a choice of an encoder that only another encoder has, as in `c=aac:profile=baseline`.
fn of_another_encoder(reader: &Reader<'_>, role: Role, spec: &OptionSpec, piece: &Piece<'_>) -> bool {
    let (Role::Encoder(_), Type::Choice(_), Some(text)) = (role, spec.ty, piece.value) else { return false };
    let takes = |spec: &OptionSpec| value::parse(spec.ty, text).is_ok();
    !takes(spec)
        && reader
            .registries
            .encoders
            .iter()
            .any(|kind| crate::options::find(kind.options, spec.name).is_some_and(takes))
}

fn type_piece(
    reader: &mut Reader<'_>,
    word: &Word<'_>,
    role: Role,
    tables: &[&'static [OptionSpec]],
    node: &mut Node,
    typed: &mut Typed,
    piece: &Piece<'_>,
) -> Result<(), SpecError> {
    if KEYWORDS.contains(&piece.name) && piece.value.is_none() {
        return Ok(());
    }
    if let Some((name, mend)) = known::REFUSED.iter().find(|(name, _)| *name == piece.name) {
        return Err(SpecError::new(format!("`{name}` is not offered yet")).hint(*mend));
    }
    if piece.name.starts_with('#') && word.clear {
        return Err(SpecError::new("properties of tracks (`#Name=value`) are not offered yet").hint("leave it out"));
    }
    let Some(spec) = find(tables, piece.name) else {
        if known::FORMAT.contains(&piece.name) {
            return format_name(reader, word, role, node, piece);
        }
        let has_mend = find(tables, "ca").is_some();
        if let Some((name, mend)) = known::MENDED.iter().find(|(name, _)| *name == piece.name && has_mend) {
            return Err(SpecError::new(format!("`{name}` is not an option of {}", role.kind())).hint(*mend));
        }
        return Err(unknown_option(word, role, tables, piece));
    };
    if spec.ignored {
        let warning = node.option_error(spec.name, format!("it has no effect: {}", spec.help));
        reader.warnings.push(warning);
        return Ok(());
    }
    if of_another_encoder(reader, role, spec, piece) {
        let warning = node.option_error(spec.name, format!("it has no effect: this is no value of {}", role.kind()));
        reader.warnings.push(warning);
        return Ok(());
    }
    let value = typed_value(reader.environment, spec, piece).map_err(|error| error.field(spec.name))?;
    if typed.said.contains(&spec.name) && node.options.get(spec.name) != Some(&value) {
        let first = word.pieces.iter().find(|piece| spec.is(piece.name)).map_or(spec.name, |piece| piece.name);
        return Err(contradicts(first, piece.name).field(spec.name));
    }
    typed.said.push(spec.name);
    if let Some(text) = piece.value.filter(|text| spec.ty == Type::Secret && shown::indirect(text).is_none()) {
        let mut found = unfilled::doubtful(text);
        found.extend(unfilled::is_example(text).then_some(unfilled::EXAMPLE));
        let told = found.into_iter().map(|(problem, hint)| node.option_error(spec.name, problem).hint(hint));
        reader.warnings.extend(told);
    }
    match (spec.name, &value) {
        ("FID", Value::Text(id)) => typed.id = Some(link_id(id)?),
        ("SID", Value::List(ids)) => {
            for id in ids {
                let (id, kind) = match id.split_once('#') {
                    Some((id, fragment)) => (id, Some(parse_fragment(fragment).map_err(|error| error.field("SID"))?)),
                    None => (id.as_str(), None),
                };
                typed.takes.push(Reference::Id(link_id(id)?, kind));
            }
        }
        ("name", Value::Text(name)) if !is_output_name(name) => {
            return Err(SpecError::new("a name has 1 to 64 letters, digits or `-_.`")
                .field("name")
                .hint("choose a name such as `backup`"));
        }
        _ => {}
    }
    node.options.set(spec.name, value);
    Ok(())
}

/// The same option twice, perhaps by two of its names, with two values. They may be secrets.
pub(super) fn contradicts(first: &str, again: &str) -> SpecError {
    let problem = if first == again {
        format!("`{first}` is given twice, with two values")
    } else {
        format!("`{first}` and `{again}` are one option, given twice with two values")
    };
    SpecError::new(problem).hint("say it once")
}

/// Names stand in logs, metrics and paths of the API.
fn is_output_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']'))
}

fn link_id(id: &str) -> Result<String, SpecError> {
    if id.is_empty() || id.len() > 64 {
        return Err(SpecError::new("the id is empty or longer than 64 letters")
            .hint("write FID=a on one word and SID=a on another"));
    }
    Ok(id.to_owned())
}

fn typed_value(environment: &dyn Environment, spec: &OptionSpec, piece: &Piece<'_>) -> Result<Value, SpecError> {
    match (spec.ty, piece.value) {
        (Type::Bool, None) => Ok(Value::Bool(!piece.negated)),
        // `loop`: off, on, or how many times.
        (Type::Text, None) if spec.default == "no" => Ok(Value::Text(if piece.negated { "no" } else { "yes" }.into())),
        (_, _) if piece.negated => {
            Err(SpecError::new("`!` stands before a yes-or-no option only").hint(format!("write {}=VALUE", spec.name)))
        }
        (ty, None) => Err(SpecError::new("its value is missing").hint(format!(
            "write {}=VALUE: {}",
            spec.name,
            value::describe(ty)
        ))),
        (ty, Some(text)) => {
            let fetched = shown::indirect(text).is_some();
            // Other texts may well be `<live>`: a banner, for one.
            let key = ty == Type::Secret || spec.name == "rtmp_app";
            if let Some((problem, hint)) = unfilled::unfilled(text).filter(|_| key) {
                return Err(SpecError::new(problem).hint(hint));
            }
            let text = fetch(environment, text)?;
            value::parse(ty, &text).map_err(|error| match fetched {
                // What was fetched is meant to stay unseen.
                true => SpecError::new("the value fetched is not right").hint(value::describe(ty)),
                false => error,
            })
        }
    }
}

/// `ffmt=flv` says what is so anyway; another container can't be had.
fn format_name(
    reader: &mut Reader<'_>,
    word: &Word<'_>,
    role: Role,
    node: &Node,
    piece: &Piece<'_>,
) -> Result<(), SpecError> {
    let rtmp = word.url.as_ref().is_some_and(MediaUrl::is_rtmp);
    if matches!(piece.value, Some("flv")) {
        return Ok(());
    }
    if rtmp || role.is_sink() {
        let what = if rtmp { "RTMP carries FLV and nothing else" } else { "files are written as FLV and nothing else" };
        return Err(SpecError::new(what)
            .field(piece.name)
            .hint(format!("leave {0} out, or write {0}=flv", piece.name)));
    }
    reader.warnings.push(node.option_error(piece.name, "it has no effect: the media tells its own type"));
    Ok(())
}

fn unknown_option(word: &Word<'_>, role: Role, tables: &[&'static [OptionSpec]], piece: &Piece<'_>) -> SpecError {
    let kind = role.kind();
    let near = nearest(piece.name, names(tables)).map(|name| format!("did you mean `{name}`?"));
    if piece.name.is_empty() && piece.value.is_none() {
        let hint = if word.clear { "remove the colon" } else { "put :gpac: between the URL and its options" };
        return SpecError::new("there is no option after the colon").hint(hint);
    }
    if word.clear {
        let topic = format!("`outflow help {kind}` lists them");
        return SpecError::new(format!("this is not an option of {kind}")).hint(near.unwrap_or(topic));
    }
    // The text may be the rest of a stream key: say how to keep it in the URL.
    let mend = "if it belongs to the URL, end the URL with `:gpac:` (put :gpac: before the options)";
    let hint = near.map_or_else(|| mend.to_owned(), |near| format!("{near} {mend}"));
    SpecError::new(format!("the text after the URL's first `:` is not an option of {kind}")).hint(hint)
}
