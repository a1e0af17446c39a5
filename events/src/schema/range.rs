//! Numbers that are valid.

use std::fmt;

use serde_json::Value;

use super::document::Alternative;

/// From where to where; `None` is without end. Whole numbers are exact, as those of 64 bits have no place in an `f64`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Range {
    Whole(Option<i128>, Option<i128>),
    Real(Real),
}

/// The ends, and whether they are inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Real {
    least: (f64, bool),
    most: (f64, bool),
}

impl Range {
    pub(super) fn of(alternative: &Alternative, is_whole: bool) -> Self {
        if is_whole { Self::whole(alternative) } else { Self::Real(Real::of(alternative)) }
    }

    fn whole(alternative: &Alternative) -> Self {
        let bound = |name: &str, round: fn(f64) -> f64| alternative.get(name).and_then(|value| whole(value, round));
        let format = alternative.get("format").and_then(Value::as_str).and_then(of_format);
        let (lowest, highest) = format.map_or((None, None), |(least, most)| (Some(least), Some(most)));
        let least = [lowest, bound("minimum", f64::ceil), bound("exclusiveMinimum", f64::floor).map(|it| it + 1)];
        let most = [highest, bound("maximum", f64::floor), bound("exclusiveMaximum", f64::ceil).map(|it| it - 1)];
        Self::Whole(least.into_iter().flatten().max(), most.into_iter().flatten().min())
    }

    /// Whether all numbers of the other are in this one.
    pub(super) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(least, most), Self::Whole(lower, higher)) => {
                least.is_none_or(|least| lower.is_some_and(|lower| lower >= least))
                    && most.is_none_or(|most| higher.is_some_and(|higher| higher <= most))
            }
            _ => self.real().contains(&other.real()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an end of 64 bits in an f64 is that end, or the number beside it")]
    fn real(&self) -> Real {
        match *self {
            Self::Real(real) => real,
            Self::Whole(least, most) => Real {
                least: (least.map_or(f64::NEG_INFINITY, |least| least as f64), true),
                most: (most.map_or(f64::INFINITY, |most| most as f64), true),
            },
        }
    }
}

impl Real {
    fn of(alternative: &Alternative) -> Self {
        let bound = |name: &str, default| alternative.get(name).and_then(Value::as_f64).unwrap_or(default);
        let (least, above) = (bound("minimum", f64::NEG_INFINITY), bound("exclusiveMinimum", f64::NEG_INFINITY));
        let (most, below) = (bound("maximum", f64::INFINITY), bound("exclusiveMaximum", f64::INFINITY));
        Self {
            least: if above >= least && above.is_finite() { (above, false) } else { (least, true) },
            most: if below <= most && below.is_finite() { (below, false) } else { (most, true) },
        }
    }

    fn contains(&self, other: &Self) -> bool {
        let ((least, in_least), (lower, in_lower)) = (self.least, other.least);
        let ((most, in_most), (higher, in_higher)) = (self.most, other.most);
        (lower > least || (lower >= least && (in_least || !in_lower)))
            && (higher < most || (higher <= most && (in_most || !in_higher)))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn end<T: fmt::Display>(out: &mut fmt::Formatter<'_>, end: Option<T>) -> fmt::Result {
            match end {
                None => write!(out, "…"),
                Some(end) => write!(out, "{end}"),
            }
        }
        match self {
            Self::Whole(least, most) => {
                end(out, *least)?;
                write!(out, " to ")?;
                end(out, *most)
            }
            Self::Real(Real { least: (least, in_least), most: (most, in_most) }) => {
                write!(out, "{}", if *in_least { "" } else { "above " })?;
                end(out, Some(least).filter(|end| end.is_finite()))?;
                write!(out, " to {}", if *in_most { "" } else { "below " })?;
                end(out, Some(most).filter(|end| end.is_finite()))
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is rounded, and an i128 holds all that a schema can mean")]
fn whole(value: &Value, round: fn(f64) -> f64) -> Option<i128> {
    let exact = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    exact.or_else(|| value.as_f64().map(|value| round(value) as i128))
}

/// Rust's whole numbers, as schemars names them.
fn of_format(name: &str) -> Option<(i128, i128)> {
    Some(match name {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        _ => return None,
    })
}
