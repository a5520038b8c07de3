//! Option records and typed values: one description feeds the parser, help, completions and the documentation.

pub mod known;
pub mod latency;
pub mod platforms;
pub mod rtmp;
pub mod share;
pub mod suggest;
pub mod track;
pub mod value;

use std::time::Duration;

use crate::secret::Secret;

/// The type of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `name`, `!name`, `name=yes|no|true|false|1|0`.
    Bool,
    /// A whole number, with an optional unit `k K m M g G`.
    Count,
    /// A number.
    Float,
    /// Any text.
    Text,
    /// A text that is never printed; takes `file@PATH`, `env@VAR`, `fd@N`.
    Secret,
    /// `250ms`, `4s`, `5min`, `2h`, a bare number is seconds.
    Duration,
    /// Bits per second, with an optional unit.
    Rate,
    /// `WxH` or a named size.
    Size,
    /// A list of sizes.
    Sizes,
    /// A list of rates.
    Rates,
    /// `n/d`, `n-d` or `n`.
    Fraction,
    /// Comma separated texts; `,,` is a comma.
    List,
    /// One of these texts. `live|-1` is the choice `live`, which may also be typed `-1`.
    Choice(&'static [&'static str]),
}

/// One option that a word of the command line takes.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// The type of its value.
    pub ty: Type,
    /// The default as it would be typed; empty = none.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Taken with a warning, but without effect here: what FFmpeg or GPAC know and we need not.
    pub ignored: bool,
}

impl OptionSpec {
    /// An option without aliases that has an effect.
    pub const fn new(name: &'static str, ty: Type, default: &'static str, help: &'static str) -> Self {
        Self { name, aliases: &[], ty, default, help, ignored: false }
    }

    /// The same with other names.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same, taken but without effect.
    pub const fn ignored(mut self) -> Self {
        self.ignored = true;
        self
    }
}

impl OptionSpec {
    /// True if `name` is its name or one of its aliases.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// Looks an option up in the tables of a kind, by name or alias; the first table that has it wins.
pub fn find(tables: &[&'static [OptionSpec]], name: &str) -> Option<&'static OptionSpec> {
    tables.iter().copied().flatten().find(|spec| spec.is(name))
}

/// The defaults of a kind's tables, typed.
pub fn defaults(tables: &[&'static [OptionSpec]]) -> Vec<(&'static str, Value)> {
    let with_default = tables.iter().copied().flatten().filter(|spec| !spec.default.is_empty() && !spec.ignored);
    with_default.filter_map(|spec| Some((spec.name, value::parse(spec.ty, spec.default).ok()?))).collect()
}

/// A typed value. `Debug` leaves out what may be a secret in a text: a URL, and what follows a `?`.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// [`Type::Bool`]
    Bool(bool),
    /// [`Type::Count`], [`Type::Rate`]
    Count(u64),
    /// [`Type::Float`]
    Float(f64),
    /// [`Type::Text`], [`Type::Choice`]
    Text(String),
    /// [`Type::Secret`]
    Secret(Secret),
    /// [`Type::Duration`]
    Duration(Duration),
    /// [`Type::Size`]: width, height in pixels
    Size(u32, u32),
    /// [`Type::Sizes`]
    Sizes(Vec<(u32, u32)>),
    /// [`Type::Rates`]
    Rates(Vec<u64>),
    /// [`Type::Fraction`]: numerator, denominator (never 0)
    Fraction(i64, i64),
    /// [`Type::List`]
    List(Vec<String>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Count(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(text) => match (text.split_once("://"), text.split_once('?')) {
                (Some((scheme, _)), _) => write!(f, "\"{scheme}://****\""),
                (None, Some((before, _))) => write!(f, "{:?}", format!("{before}?****")),
                (None, None) => write!(f, "{text:?}"),
            },
            Value::Secret(value) => write!(f, "{value:?}"),
            Value::Duration(value) => write!(f, "{value:?}"),
            Value::Size(width, height) => write!(f, "{width}x{height}"),
            Value::Sizes(values) => write!(f, "{values:?}"),
            Value::Rates(values) => write!(f, "{values:?}"),
            Value::Fraction(numerator, denominator) => write!(f, "{numerator}/{denominator}"),
            Value::List(values) => write!(f, "{values:?}"),
        }
    }
}

/// The options of one word: what was typed, and the defaults of the record for the rest.
#[derive(Debug, Clone, Default)]
pub struct Options {
    values: Vec<(&'static str, Value)>,
    defaults: Vec<(&'static str, Value)>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $ty:ty) => {
        $(#[$doc])*
        pub fn $name(&self, name: &str) -> Option<$ty> {
            match self.get(name) {
                Some(Value::$variant(value)) => Some(value.clone()),
                _ => None,
            }
        }
    };
}

impl Options {
    /// Options of which none was typed, with these defaults.
    pub fn with_defaults(defaults: Vec<(&'static str, Value)>) -> Self {
        Self { values: Vec::new(), defaults }
    }

    /// Records a typed value; a later one wins.
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value));
    }

    /// True if it was typed, not only a default.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    /// The typed value, else the default, else nothing.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().chain(&self.defaults).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// True where a boolean option is on; false where it is off or unknown.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    getter!(/// A whole number or a rate.
        count, Count, u64);
    getter!(/// A number.
        float, Float, f64);
    getter!(/// A text or a choice.
        text, Text, String);
    getter!(/// A secret.
        secret, Secret, Secret);
    getter!(/// A duration.
        duration, Duration, Duration);
    getter!(/// A list of texts.
        list, List, Vec<String>);
    getter!(/// A list of sizes.
        sizes, Sizes, Vec<(u32, u32)>);
    getter!(/// A list of rates.
        rates, Rates, Vec<u64>);

    /// A fraction: numerator and denominator.
    pub fn fraction(&self, name: &str) -> Option<(i64, i64)> {
        match self.get(name) {
            Some(Value::Fraction(numerator, denominator)) => Some((*numerator, *denominator)),
            _ => None,
        }
    }

    /// A size: width and height in pixels.
    pub fn size(&self, name: &str) -> Option<(u32, u32)> {
        match self.get(name) {
            Some(Value::Size(width, height)) => Some((*width, *height)),
            _ => None,
        }
    }
}
