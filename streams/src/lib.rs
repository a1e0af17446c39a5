//! What it comes to: records folded into tables, each once.
