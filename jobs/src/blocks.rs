//! The blocks that a worker takes jobs from.
//!
//! Their texts do not come with a claim: a script would have to make them Lua's own, which costs Redis more than all else of
//! the claim. They never change, so one that is taken bit by bit is fetched once.

use std::{collections::VecDeque, sync::Arc};

use crate::{Queue, QueueError, link::Link};

/// So many are kept: a worker with few places takes from one block a priority at a time.
const KEPT: usize = 16;

/// Blocks in one call: each may have some ten thousand bytes.
const STEP: usize = 32;

/// A block's text, and where its lines begin.
pub(crate) struct Block {
    text: String,
    starts: Vec<usize>,
}

impl Block {
    fn new(text: String) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Its first line: the kind of its jobs.
    pub(crate) fn head(&self) -> &str {
        self.between(0).unwrap_or_default()
    }

    /// The line of the job at a place.
    pub(crate) fn line(&self, place: usize) -> Option<&str> {
        self.between(place + 1)
    }

    /// The record that the job at a place would have by itself.
    pub(crate) fn record(&self, place: usize) -> Option<String> {
        let line = self.line(place)?;
        Some(match line.split_once('\t') {
            Some((payload, more)) => format!("{} {more}\n{payload}", self.head()),
            None => format!("{}\n{line}", self.head()),
        })
    }

    fn between(&self, line: usize) -> Option<&str> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        self.text.get(start..end)
    }
}

/// Blocks that were fetched lately.
#[derive(Default)]
pub(crate) struct Blocks(VecDeque<(String, Arc<Block>)>);

impl Blocks {
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Block>> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, block)| block.clone())
    }

    /// Fetches those that are not known. One that is gone stays unknown.
    pub(crate) async fn fetch(&mut self, queue: &Queue, link: &Link, wanted: &[&str]) -> Result<(), QueueError> {
        let missing: Vec<&str> = wanted.iter().copied().filter(|id| self.get(id).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let key = queue.key("blocks");
        for missing in missing.chunks(STEP) {
            let mut call = redis::cmd("HMGET");
            call.arg(&key).arg(missing);
            let mut lent = link.lend(&key).await?;
            let answer = call.query_async::<Vec<Option<Vec<u8>>>>(&mut lent.redis).await;
            for (id, text) in missing.iter().zip(link.heard(&lent, answer)?) {
                let Some(text) = text else { continue };
                // What is not UTF-8 is not ours; whatever reads it will say so.
                let text =
                    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into());
                self.0.push_front(((*id).to_owned(), Arc::new(Block::new(text))));
            }
        }
        self.0.truncate(KEPT.max(wanted.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_a_head_and_a_line_a_job() {
        let block = Block::new("mail@2\n{}\n{\"a\":1}\t{\"m\":3}".into());
        assert_eq!(block.head(), "mail@2");
        assert_eq!([block.line(0), block.line(1), block.line(2)], [Some("{}"), Some("{\"a\":1}\t{\"m\":3}"), None]);
    }
}
