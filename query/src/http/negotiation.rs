//! Negotiation of the format of a list: the parameter `format` decides, or else the header `Accept`.

use axum::http::{HeaderMap, header};

use crate::params::ParamError;

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// The requested format; JSON if none is requested, or none that is known.
    pub(crate) fn of(sent: Option<&str>, headers: &HeaderMap) -> Result<Self, ParamError> {
        match sent {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(_) => Err(ParamError::Format),
            None => Ok(Self::accepted(headers)),
        }
    }

    /// The name in the parameter.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    fn accepted(headers: &HeaderMap) -> Self {
        let sent = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<_> = sent.flat_map(|value| value.split(',')).map(range).collect();
        // The most specific range that fits has the quality of a format, and says whether it was requested by name.
        let wanted = |names: [&str; 3]| {
            let found = names.iter().enumerate().find_map(|(place, name)| {
                let (_, quality) = ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name))?;
                Some((*quality, place == 0 && *quality > 0.0))
            });
            found.unwrap_or((0.0, false))
        };
        let csv = wanted(["text/csv", "text/*", "*/*"]);
        let json = wanted(["application/json", "application/*", "*/*"]);
        if csv > json { Self::Csv } else { Self::Json }
    }
}

/// A range of media types, and its quality: 1 without `q`, and 0 if `q` is no number.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, quality.map_or(1.0, |quality| quality.parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepted(values: &[&'static str]) -> Format {
        let headers = values.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
        Format::of(None, &headers.collect()).expect("a format")
    }

    #[test]
    fn what_is_wanted_most_is_given() {
        for values in [
            &["text/csv"][..],
            &["Text/CSV"],
            &["text/csv, */*"],
            &["application/json;q=0.5, text/csv; q=0.9"],
            &["application/json;q=0.5", "text/csv;header=present"],
            &["text/*, application/json;q=0.1"],
            &["application/json;q=x, text/csv;q=0.1"],
        ] {
            assert_eq!(accepted(values), Format::Csv, "{values:?}");
        }
        for values in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["text/csv, application/json"],
            &["text/csv;q=0.5, */*"],
            &["text/csv;q=0"],
            &["text/html, application/xml;q=0.9, */*;q=0.8"],
            &["image/png"],
            &["", ";;,=,q"],
        ] {
            assert_eq!(accepted(values), Format::Json, "{values:?}");
        }
    }

    #[test]
    fn the_parameter_wins() {
        let headers: HeaderMap = [(header::ACCEPT, HeaderValue::from_static("text/csv"))].into_iter().collect();
        assert_eq!(Format::of(Some("json"), &headers), Ok(Format::Json));
        assert_eq!(Format::of(Some("csv"), &HeaderMap::new()), Ok(Format::Csv));
        for text in ["", "CSV", "xml", "csv,json"] {
            assert_eq!(Format::of(Some(text), &headers), Err(ParamError::Format));
        }
    }
}
