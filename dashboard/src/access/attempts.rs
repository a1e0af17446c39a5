//! Logins that failed: so many in a while, and then none is looked at.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures are counted for this long.
const WHILE: Duration = Duration::from_mins(5);
/// Failures with one name.
const OF_NAME: u32 = 10;
/// Failures from one address, behind which there may be many people.
const OF_ADDRESS: u32 = 50;
/// Names and addresses that are remembered.
const MOST: usize = 10_000;

/// Counts logins before they are looked at, so that many at once are no way around it.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Both>);

#[derive(Default)]
struct Both {
    names: Counts<String>,
    addresses: Counts<IpAddr>,
}

impl Attempts {
    /// Counts a try; or says how long to wait.
    pub(super) fn begin(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        // Names that are too long are nobody's, and not worth their memory.
        let (name, address): (String, _) = (name.chars().take(64).collect(), address.map(network));
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        both.names.wait(&name, OF_NAME, now)?;
        if let Some(address) = address {
            both.addresses.wait(&address, OF_ADDRESS, now)?;
            both.addresses.add(address, now);
        }
        both.names.add(name, now);
        Ok(())
    }

    /// It went well: forgets the failures with that name, and the try from that address.
    pub(super) fn went_well(&self, name: &str, address: Option<IpAddr>) {
        let (name, address): (String, _) = (name.chars().take(64).collect(), address.map(network));
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        both.names.0.remove(&name);
        if let Some((_, count)) = address.and_then(|address| both.addresses.0.get_mut(&address)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Whoever has one address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) => address,
    }
}

/// Since when, and how many.
struct Counts<K>(HashMap<K, (Instant, u32)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    fn wait(&self, key: &K, most: u32, now: Instant) -> Result<(), Duration> {
        match self.0.get(key) {
            Some((since, count)) if *count >= most => {
                let left = WHILE.saturating_sub(now.saturating_duration_since(*since));
                if left.is_zero() { Ok(()) } else { Err(left) }
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, key: K, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, (since, _)| now.saturating_duration_since(*since) < WHILE);
            // Whoever brings that many goes on being counted by address.
            if self.0.len() >= MOST
                && let Some(oldest) = self.0.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone())
            {
                self.0.remove(&oldest);
            }
        }
        let (since, count) = self.0.entry(key).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WHILE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_have_so_many_tries_in_a_while() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        for _ in 0..OF_NAME {
            attempts.begin("ann", address(1), now).unwrap();
        }
        let wait = attempts.begin("ann", address(2), now + Duration::from_mins(1)).unwrap_err();
        assert_eq!(wait, Duration::from_mins(4));
        attempts.begin("bob", address(1), now).unwrap();
        attempts.begin("ann", address(2), now + WHILE).unwrap();
        attempts.went_well("ann", address(2));
        assert!((0..OF_NAME).all(|_| attempts.begin("ann", address(2), now + WHILE).is_ok()));

        for name in 0..OF_ADDRESS {
            attempts.begin(&name.to_string(), address(3), now).unwrap();
        }
        attempts.begin("eve", address(3), now).unwrap_err();
    }

    #[test]
    fn neighbours_in_ipv6_are_one() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let begin = |last: u32, network| {
            let address = format!("2001:db8:{network}::{last:x}").parse().unwrap();
            attempts.begin(&last.to_string(), Some(address), now)
        };
        for last in 0..OF_ADDRESS {
            begin(last, 1).unwrap();
        }
        begin(OF_ADDRESS, 1).unwrap_err();
        begin(OF_ADDRESS, 2).unwrap();
    }

    #[test]
    fn it_remembers_only_so_many() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for name in 0..=MOST {
            attempts.begin(&name.to_string(), None, now).unwrap();
        }
        assert_eq!(attempts.0.lock().unwrap().names.0.len(), MOST);
    }
}
