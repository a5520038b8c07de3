//! The `fmt` option of `inspect`: text with fields between percent signs, as in GPAC, of which a few are known here.

use super::Entry;

/// The fields, with what they are.
const FIELDS: &[(&str, Field)] = &[
    ("pid", Field::Pid),
    ("pn", Field::Number),
    ("cts", Field::Cts),
    ("dts", Field::Dts),
    ("dur", Field::Duration),
    ("sap", Field::Sap),
    ("size", Field::Size),
    ("lf", Field::Text("\n")),
    ("cr", Field::Text("\r")),
    ("t", Field::Text("\t")),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Pid,
    Number,
    Cts,
    Dts,
    Duration,
    Sap,
    Size,
    Text(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format(Vec<Part>);

impl Format {
    /// Reads a format; the error names what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.matches('%').count() % 2 == 1 {
            return Err("a % stands alone: fields are written as %dts%".to_owned());
        }
        let mut parts = Vec::new();
        for (index, piece) in text.split('%').enumerate() {
            if index % 2 == 0 {
                if !piece.is_empty() {
                    parts.push(Part::Text(piece.to_owned()));
                }
                continue;
            }
            let Some((_, field)) = FIELDS.iter().find(|(name, _)| *name == piece) else {
                let known: Vec<_> = FIELDS.iter().map(|(name, _)| format!("%{name}%")).collect();
                return Err(format!("`%{piece}%` is not known; there are {}", known.join(" ")));
            };
            parts.push(Part::Field(*field));
        }
        Ok(Self(parts))
    }

    /// The text for a packet; no line feed is added.
    pub(super) fn line(&self, entry: &Entry) -> String {
        let mut line = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Field(field) => line.push_str(&field.text(entry)),
            }
        }
        line
    }
}

impl Field {
    fn text(self, entry: &Entry) -> String {
        match self {
            Field::Pid => (entry.track + 1).to_string(),
            Field::Number => entry.number.to_string(),
            Field::Cts => entry.cts.to_string(),
            Field::Dts => entry.dts.to_string(),
            Field::Duration => entry.duration.unwrap_or(0).to_string(),
            Field::Sap => entry.sap.to_string(),
            Field::Size => entry.size.to_string(),
            Field::Text(text) => text.to_owned(),
        }
    }
}
