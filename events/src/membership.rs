//! Who is in a consumer group, and which partitions they have.

use rdkafka::{consumer::Consumer as _, groups::GroupMemberInfo};
use serde::Serialize;

use crate::{KafkaError, Logs};

/// A consumer group, as its coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// `Stable`, `PreparingRebalance`, `Empty` …, as Kafka says it.
    pub state: String,
    /// How partitions are given out: `cooperative-sticky`.
    pub protocol: String,
    /// Who is in it, by id.
    pub members: Vec<GroupMember>,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupMember {
    /// What the coordinator calls it.
    pub id: String,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The topics that it has partitions of, as Kafka names them; nothing if the group's protocol does not say.
    pub assignment: Option<Vec<(String, Vec<i32>)>>,
}

/// More topics or partitions than any member has; a length beyond it is none.
const MOST: i32 = 100_000;

impl Logs {
    /// The group of this configuration; nothing if Kafka does not know it.
    pub async fn membership(&self) -> Result<Option<Membership>, KafkaError> {
        let group = self.config.consumer_group.clone();
        self.ask(move |client, timeout| {
            let groups = client.fetch_group_list(Some(&group), timeout)?;
            let Some(found) = groups.groups().iter().find(|found| found.name() == group) else { return Ok(None) };
            // A group that nobody was ever in is answered as one that is dead.
            if found.state() == "Dead" {
                return Ok(None);
            }
            let mut members: Vec<GroupMember> = found.members().iter().map(member).collect();
            members.sort_by(|a, b| a.id.cmp(&b.id));
            Ok(Some(Membership { state: found.state().to_owned(), protocol: found.protocol().to_owned(), members }))
        })
        .await
    }
}

fn member(member: &GroupMemberInfo) -> GroupMember {
    GroupMember {
        id: member.id().to_owned(),
        client_id: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
        assignment: member.assignment().and_then(|bytes| Reader(bytes).assignment()),
    }
}

/// What is left of bytes that somebody else has written.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// `ConsumerProtocolAssignment` of Kafka's consumer protocol, version 0 and later: a version, topics with partitions, and
    /// data of the assignor's own.
    fn assignment(mut self) -> Option<Vec<(String, Vec<i32>)>> {
        // Nothing is given out while the group rebalances.
        if self.0.is_empty() {
            return Some(Vec::new());
        }
        let version = self.i16()?;
        if version < 0 {
            return None;
        }
        let topics = self.count()?;
        let mut assignment = Vec::new();
        for _ in 0..topics {
            let name = usize::try_from(self.i16()?).ok()?;
            let name = std::str::from_utf8(self.take(name)?).ok()?.to_owned();
            let partitions = self.count()?;
            let partitions: Option<Vec<i32>> = (0..partitions).map(|_| self.i32()).collect();
            assignment.push((name, partitions?));
        }
        assignment.sort();
        Some(assignment)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn count(&mut self) -> Option<i32> {
        self.i32().filter(|count| (0..=MOST).contains(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<(String, Vec<i32>)>> {
        Reader(bytes).assignment()
    }

    #[test]
    fn an_assignment_is_read_and_what_is_none_is_not() {
        let bytes = [0, 1, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read(&bytes), Some(vec![("ab".into(), vec![0, 5])]));
        assert_eq!(read(&[]), Some(vec![]));
        // Cut off anywhere, it is none, and nobody panics.
        for end in 1..22 {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
        assert_eq!(read(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None, "more topics than there can be");
        assert_eq!(read(&[0, 0, 0, 0, 0, 1, 0xff, 0xff]), None, "a name of negative length");
        assert_eq!(read(&[0xff, 0xff, 0, 0, 0, 0]), None);
    }
}
