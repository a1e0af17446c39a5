//! About how many different things there are, in little memory: HyperLogLog.
//!
//! 4,096 registers, each the longest run of zeros that a hash began with. The estimate is Ertl's, which needs no tables of
//! corrections and is unbiased for few as for many (O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches",
//! arXiv:1702.01284, algorithm 6). Standard error: 1.04 / √4096 = 1.6 %.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

/// Bits of a hash that choose a register.
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// Bits that are left, of 64.
const REST: usize = 64 - BITS as usize;
/// So many registers are kept one by one; four characters each are fewer than all of them by then.
const SPARSE: usize = 768;
/// A register as a character: all that there are, 0 to 53, are printed.
const ZERO: u8 = b'0';

/// Registers of a HyperLogLog. As JSON it is a text: all registers, a character each; or those that are not 0, as three digits in
/// base 16 and a character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Distinct(Registers);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Registers {
    Few(BTreeMap<u16, u8>),
    All(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self(Registers::Few(BTreeMap::new()))
    }
}

impl Distinct {
    /// One more, which may have been there before.
    pub fn add(&mut self, thing: &[u8]) {
        let hash = hash(thing);
        let register = u16::try_from(hash >> REST).unwrap_or_default();
        // A one behind the rest ends the run.
        let rest = (hash << BITS) | (1 << (BITS - 1));
        self.raise(register, u8::try_from(rest.leading_zeros()).unwrap_or_default() + 1);
    }

    /// Takes in what another one has seen.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Registers::Few(few) => few.iter().for_each(|(&register, &run)| self.raise(register, run)),
            Registers::All(all) => {
                for (register, &run) in (0..).zip(all) {
                    if run > 0 {
                        self.raise(register, run);
                    }
                }
            }
        }
    }

    fn raise(&mut self, register: u16, run: u8) {
        match &mut self.0 {
            Registers::Few(few) => {
                let held = few.entry(register).or_default();
                *held = run.max(*held);
                if few.len() > SPARSE {
                    let mut all = vec![0; REGISTERS];
                    for (&register, &run) in few.iter() {
                        all[usize::from(register)] = run;
                    }
                    self.0 = Registers::All(all);
                }
            }
            Registers::All(all) => {
                let held = &mut all[usize::from(register)];
                *held = run.max(*held);
            }
        }
    }

    /// How many there are, about.
    #[expect(clippy::cast_precision_loss, reason = "counts of registers")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number, not below zero")]
    pub fn estimate(&self) -> u64 {
        let mut counts = [0_u32; REST + 2];
        match &self.0 {
            Registers::Few(few) => {
                for &run in few.values() {
                    counts[usize::from(run)] += 1;
                }
                counts[0] = u32::try_from(REGISTERS - few.len()).unwrap_or_default();
            }
            Registers::All(all) => {
                for &run in all {
                    counts[usize::from(run)] += 1;
                }
            }
        }
        let all = REGISTERS as f64;
        let mut sum = all * tau(1.0 - f64::from(counts[REST + 1]) / all);
        for &count in counts[1..=REST].iter().rev() {
            sum = 0.5 * (sum + f64::from(count));
        }
        sum += all * sigma(f64::from(counts[0]) / all);
        (all * all / (2.0 * std::f64::consts::LN_2) / sum).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

/// FNV-1a, stirred by the last step of `MurmurHash3`. Stored registers depend on it: it is never changed.
fn hash(thing: &[u8]) -> u64 {
    let mut hash = thing
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl From<Distinct> for String {
    fn from(distinct: Distinct) -> Self {
        match distinct.0 {
            Registers::All(all) => all.into_iter().map(|run| char::from(ZERO + run)).collect(),
            Registers::Few(few) => few.into_iter().fold(Self::new(), |mut text, (register, run)| {
                // Into a text nothing can fail.
                let _ = write!(text, "{register:03x}{}", char::from(ZERO + run));
                text
            }),
        }
    }
}

impl TryFrom<String> for Distinct {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "no registers of a HyperLogLog";
        let run = |character: u8| match character.checked_sub(ZERO) {
            Some(run) if usize::from(run) <= REST + 1 => Ok(run),
            _ => Err(WRONG),
        };
        let bytes = text.as_bytes();
        if bytes.len() == REGISTERS {
            return Ok(Self(Registers::All(bytes.iter().map(|&byte| run(byte)).collect::<Result<_, _>>()?)));
        }
        let mut few = BTreeMap::new();
        for four in bytes.chunks(4) {
            let [digits @ .., character] = four else { return Err(WRONG) };
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 3).ok_or(WRONG)?;
            few.insert(u16::from_str_radix(digits, 16).map_err(|_| WRONG)?, run(*character)?);
        }
        Ok(Self(Registers::Few(few)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: std::ops::Range<u64>) -> Distinct {
        let mut distinct = Distinct::default();
        numbers.for_each(|number| distinct.add(format!("user-{number}").as_bytes()));
        distinct
    }

    #[test]
    fn the_estimate_is_within_four_standard_errors() {
        for count in [0, 1, 2, 10, 100, 700, 1_000, 5_000, 20_000, 100_000, 500_000] {
            let estimate = of(0..count).estimate();
            let most = (count * 4 * 1_625 / 100_000).max(1);
            assert!(estimate.abs_diff(count) <= most, "{estimate} of {count}");
        }
    }

    #[test]
    fn parts_come_to_the_same_as_the_whole_in_any_order_and_over_json() {
        for (first, second, all) in
            [(0..300, 200..500, 0..500), (0..9_000, 5_000..9_100, 0..9_100), (0..5_000, 0..3, 0..5_000)]
        {
            let (whole, first, second) = (of(all), of(first), of(second));
            for (mut into, other) in [(first.clone(), second.clone()), (second, first)] {
                let text = serde_json::to_string(&other).unwrap();
                into.merge(&serde_json::from_str(&text).unwrap());
                assert_eq!(into, whole);
                assert_eq!(serde_json::from_str::<Distinct>(&serde_json::to_string(&into).unwrap()).unwrap(), whole);
            }
        }
    }

    #[test]
    fn what_is_no_register_is_refused() {
        for wrong in ["abc", "0000~", "zzz1", "00é1", "fff~"] {
            assert!(Distinct::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
